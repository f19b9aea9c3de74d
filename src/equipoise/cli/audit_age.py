"""Audits of estimators of age with balanced images: audit age."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.audit.defaults import IMAGES, TOLERANCE
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import (
    Balanced,
    By,
    Drawn,
    Ignore,
    Plot,
    Table,
    Tolerance,
    audit_material,
    balanced_groups,
    chosen_names,
    opened_sampler,
    print_checks,
    print_costs,
    write_files,
)
from equipoise.cli.console import bars, print_table
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.options import (
    Address,
    Classifiers,
    Device,
    EngineName,
    Faithful,
    GpusPerWorker,
    JsonFile,
    Workers,
)
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.progress import Execution

if TYPE_CHECKING:
    from equipoise.audit.age.ages import Ages
    from equipoise.audit.images import AuditImages
    from equipoise.classifiers import Classifier


@audit_app.command()
def age(
    what: Balanced,
    model: Annotated[
        str,
        typer.Option(
            help="A table with file_name and age (.csv, .parquet, .jsonl), or a classifier whose "
            "score is an age: pinned:age, a .toml file, module:object."
        ),
    ],
    reference: Annotated[
        str,
        typer.Option(help="What counts as the true age: a table or an estimator, as for --model."),
    ],
    by: By = None,
    limit: Annotated[float, typer.Option(help="Years from which on a person may buy.")] = 18.0,
    challenges: Annotated[
        list[float] | None,
        typer.Option(
            "--challenge",
            help="Who is estimated below is asked for a proof; may be repeated. [18 and 25]",
        ),
    ] = None,
    years: Annotated[float, typer.Option(help="Gap of mean errors that is tolerated.")] = 2.0,
    tolerance: Tolerance = TOLERANCE,
    n: Drawn = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    faithful: Faithful = None,
    ignore: Ignore = None,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/age"),
    classifiers: Classifiers = None,
    device: Device = None,
    workers: Workers = None,
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    json_file: JsonFile = None,
    pdf: Pdf = False,
    fail_on: Gate = None,
    junit: JUnit = None,
    table: Table = None,
    plot: Plot = None,
) -> None:
    """Audit estimates of age: errors in years by cell, and who passes a rule such as Challenge 25.

    A generated face has no true age: name what counts as one. docs/auditing.md has more.

    Example: `equipoise audit age runs/audit/material --model answers.csv --reference pinned:age`
    """
    from equipoise.audit.age.ages import parse_challenges
    from equipoise.audit.age.record import AgeSettings
    from equipoise.audit.age.run import audit_age
    from equipoise.audit.age.tables import age_table, write_age_table
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    grid = balanced_groups(what)
    drawn = opened_sampler(what, n, device, classifiers, faithful)
    opened = {name: open_estimator(name) for name in (model, reference)}
    settings = AgeSettings(
        by=chosen_names(by, grid),
        reference=reference,
        limit=limit,
        challenges=parse_challenges(limit, challenges or (limit, max(limit, 25.0))),
        years=years,
        tolerance=tolerance,
        ignore=tuple(ignore or ()),
        seed=seed,
    )
    with bars() as progress:
        images, execution = IMAGES if n is None else n, Execution(workers, progress, places)
        material = audit_material(what, drawn, images, seed, out, execution, faithful)
        estimates, true = (
            read_or_ask(name, opened[name], material, out, role, execution)
            for name, role in ((model, "model"), (reference, "reference"))
        )
    audit = audit_age(estimates, true, material, out, settings)
    print_checks(audit)
    header, rows = age_table(audit)
    cells = [row[1:] for row in rows if row[0] == audit.breakdowns[0].where]
    print_table(out_console, tuple(header[1:]), [tuple(row) for row in cells])
    print_costs(audit.costs)
    print_report(out / "age.html", pdf)
    write_files(audit, json_file, plot, table, write_age_table)
    end_gate("audit of age", audit.checks, fail_on, junit)


def open_estimator(name: str) -> Classifier | None:
    """Open the estimator that a user named; None for a table of ages."""
    from equipoise.audit.age.ages import is_table
    from equipoise.classifiers import open_classifier

    return None if is_table(name) else open_classifier(name)


def read_or_ask(
    name: str,
    estimator: Classifier | None,
    images: AuditImages,
    out: Path,
    role: str,
    execution: Execution,
) -> Ages:
    """Read a table of ages, or ask an estimator, by the name that a user gave."""
    from equipoise.audit.age.ages import ask_ages, read_ages
    from equipoise.classifiers.models import ClassifierAddress

    if estimator is None:
        return read_ages(Path(name), images, role)
    cache, address = out / "answers", ClassifierAddress(name)
    return ask_ages(estimator, images, cache, role, address=address, execution=execution)

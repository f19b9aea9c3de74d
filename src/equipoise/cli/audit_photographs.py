"""The same audit on a user's labelled photographs, beside a stored one: audit photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.audit.defaults import TOLERANCE
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import Ignore, Plot, Table, Tolerance, print_checks, write_files
from equipoise.cli.console import bars, print_table
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.options import Address, EngineName, GpusPerWorker, JsonFile, Workers
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.numbers import estimate, percent
from equipoise.core.progress import Execution


@audit_app.command()
def photographs(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs.")],
    labels: Annotated[
        Path, typer.Option(help="CSV with file_name, and a column for each attribute.")
    ],
    beside: Annotated[
        Path, typer.Option(help="Folder of the classifier's audit on generated images.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="The same model as there, or its answers to the photographs (.csv, .parquet, "
            ".jsonl)."
        ),
    ],
    side: Annotated[
        int, typer.Option(help="Pixels of each side to which photographs are cut.")
    ] = 256,
    tolerance: Tolerance = TOLERANCE,
    ignore: Ignore = None,
    seed: Annotated[int, typer.Option(help="Seed of the intervals' draws.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")] = Path("runs/photographs"),
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
    """Audit a classifier on photographs too, and compare its errors cell by cell.

    A stopped audit is resumed.

    Example: `equipoise audit photographs photos --labels labels.csv --beside runs/audit --model
    mine:model`
    """
    from equipoise.audit.answer_rows import SUFFIXES
    from equipoise.audit.answers_file import read_answers
    from equipoise.audit.photographs.images import grid_of, read_photographs
    from equipoise.audit.photographs.record import PhotographsSettings
    from equipoise.audit.photographs.run import audit_photographs
    from equipoise.audit.record import ClassifierAudit
    from equipoise.audit.share_table import write_share_table
    from equipoise.classifiers.models import ClassifierAddress
    from equipoise.core.records import read_record
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    remedy = f"Run `equipoise audit classifier --out {beside}` first."
    stored = read_record(beside / "audit.json", ClassifierAudit, remedy, what="audit")
    attribute, by = stored.settings.attribute, stored.settings.by
    asked = None if model.lower().endswith(SUFFIXES) else ClassifierAddress(model)
    found = read_answers(Path(model), attribute, stored.levels) if asked is None else asked.open()
    settings = PhotographsSettings(
        attribute=attribute,
        by=by,
        tolerance=tolerance,
        side=side,
        ignore=tuple(ignore or ()),
        seed=seed,
    )
    with bars() as progress:
        images = read_photographs(folder, labels, grid_of(stored), side)
        audit = audit_photographs(
            stored,
            found,
            images,
            out,
            settings,
            address=asked,
            execution=Execution(workers, progress, places),
        )
    print_checks(audit)
    out_console.print("Share of wrong answers by cell:")
    print_table(
        out_console,
        ("cell", "generated", "photographs", "difference"),
        [
            (
                pair.name,
                estimate(pair.synthetic.estimate, percent, missing="-"),
                estimate(pair.real.estimate, percent, missing="-"),
                estimate(pair.difference, percent, missing="-"),
            )
            for pair in audit.agreements[0].pairs
        ],
    )
    print_report(out / "photographs.html", pdf)
    write_files(audit, json_file, plot, table, write_share_table)
    end_gate("audit on photographs", audit.checks, fail_on, junit)

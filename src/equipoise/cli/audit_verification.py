"""Audits of face verification with balanced images: audit verification."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from equipoise.audit.defaults import IMAGES
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import (
    Balanced,
    By,
    Drawn,
    Ignore,
    Plot,
    Table,
    audit_material,
    balanced_groups,
    chosen_names,
    opened_sampler,
    print_checks,
    wanted_rate,
    write_files,
)
from equipoise.cli.console import bars, print_table, refuse_flags
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
from equipoise.core.numbers import interval, percent
from equipoise.core.progress import Execution


@audit_app.command()
def verification(
    what: Balanced,
    descriptors: Annotated[
        str | None,
        typer.Option(
            help="module:function from images to vectors, a .toml file that describes a model of "
            "them, or an .npz file with file_name and descriptor.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="In place of descriptors: the filled pairs.csv of `audit export-set --pairs`."
        ),
    ] = None,
    by: By = None,
    fmr: Annotated[
        float | None,
        typer.Option(help="Rate of false matches over all pairs that sets the threshold. [0.001]"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Cosine, or score, from which on faces match, in place of --fmr."),
    ] = None,
    ratio: Annotated[float, typer.Option(help="Ratio of two rates that is tolerated.")] = 2.0,
    genuine: Annotated[
        Path | None,
        typer.Option(
            help="CSV of your photographs of people, beside them: file_name, person, and a column "
            "for each group. Adds false non-matches."
        ),
    ] = None,
    genuine_descriptors: Annotated[
        Path | None,
        typer.Option(help="Their .npz file, where --descriptors is one."),
    ] = None,
    n: Drawn = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    faithful: Faithful = None,
    ignore: Ignore = None,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/verification"),
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
    """Audit face verification: how often two different faces match, by cell and pair of cells.

    Pairs are of independent codes, so all are of different people; pictures of one person come
    from --genuine. A stopped audit is resumed. docs/auditing.md has more.

    Example: `equipoise audit verification runs/demo/sampler.safetensors --descriptors mine:embed`
    """
    from equipoise.audit.labelled_photographs import read_people
    from equipoise.audit.share_table import write_share_table
    from equipoise.audit.verification.describers import DescriberAddress
    from equipoise.audit.verification.descriptors import (
        Descriptors,
        compute_descriptors,
        read_descriptors,
    )
    from equipoise.audit.verification.genuine import Genuine
    from equipoise.audit.verification.record import FALSE_NON_MATCHES, VerificationSettings
    from equipoise.audit.verification.run import audit_verification
    from equipoise.audit.verification.scores import PairScores, read_scores
    from equipoise.core.attributes import AttributeGrid
    from equipoise.core.errors import InputError
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    grid = balanced_groups(what)
    drawn = opened_sampler(what, n, device, classifiers, faithful)
    settings = VerificationSettings(
        by=chosen_names(by, grid),
        fmr=wanted_rate(fmr, threshold),
        ratio=ratio,
        ignore=tuple(ignore or ()),
        seed=seed,
    )
    if (descriptors is None) == (scores is None):
        given = "both" if scores is not None else "none"
        raise InputError("descriptors", "or scores must be given", given, "Pass one of them.")
    if scores is not None:
        refuse_flags("with --scores", {"genuine": genuine})
    source = descriptors or ""
    described_by = DescriberAddress(source)
    people, kept, by_file = None, out / "descriptors", source.endswith(".npz")
    if (genuine_descriptors is not None) != (by_file and genuine is not None):
        rule = "must be given with --genuine where --descriptors is a file, and there alone"
        remedy = "Name the photographs' own file, or leave it out."
        raise InputError("genuine_descriptors", rule, genuine_descriptors, remedy)
    if genuine is not None:
        chosen = AttributeGrid(tuple(grid.attributes[grid.attribute(one)] for one in settings.by))
        people = read_people(genuine, chosen)
    with bars() as progress:
        images, execution = IMAGES if n is None else n, Execution(workers, progress, places)
        material = audit_material(what, drawn, images, seed, out, execution, faithful)
        began = time.perf_counter()
        found: Descriptors | PairScores
        if scores is not None:
            found = read_scores(scores, material)
        elif by_file:
            found = read_descriptors(Path(source), material)
        else:
            found = compute_descriptors(described_by, material.pictures, kept, execution)
        seconds = time.perf_counter() - began
        pairs = None
        if people is not None and genuine_descriptors is not None:
            pairs = Genuine(people, read_descriptors(genuine_descriptors, people.images))
        elif people is not None:
            pictures = people.images.pictures
            pairs = Genuine(people, compute_descriptors(described_by, pictures, kept, execution))
    audit = audit_verification(
        found, material, out, settings, threshold=threshold, genuine=pairs, seconds=seconds
    )
    print_checks(audit)
    parts = [(table.what, table.rates) for table in audit.tables[:1]]
    if audit.genuine is not None:
        own = () if audit.genuine.table is None else audit.genuine.table.rates
        parts.append((FALSE_NON_MATCHES, (*own, audit.genuine.overall)))
    for title, rates in parts:
        print_table(
            out_console,
            ("cell", title, "pairs", "rate", "95 %"),
            [
                (
                    rate.name,
                    f"{rate.count:,}",
                    f"{rate.n:,}",
                    percent(rate.share, 3),
                    interval(rate.low, rate.high, lambda value: percent(value, 3)),
                )
                for rate in rates
            ],
        )
    print_report(out / "verification.html", pdf)
    write_files(audit, json_file, plot, table, write_share_table)
    end_gate("audit of face verification", audit.checks, fail_on, junit)

"""Audits of models that only others can call: a blind set of images out, their answers in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.audit.defaults import IMAGES, TOLERANCE
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import (
    Balanced,
    By,
    Drawn,
    Ignore,
    Judged,
    Plot,
    Table,
    Tolerance,
    Words,
    audit_material,
    balanced_groups,
    chosen_names,
    opened_sampler,
    print_audit,
    reference_for,
    write_files,
)
from equipoise.cli.console import bars, print_table
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.options import Classifiers, Device, Faithful, JsonFile, Workers
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.progress import Execution


@audit_app.command()
def export_set(
    what: Balanced,
    to: Annotated[Path, typer.Option(help="Folder to hand on.")],
    pairs: Annotated[
        int | None,
        typer.Option(help="Add a table of so many pairs of images, for a model that compares."),
    ] = None,
    n: Drawn = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    faithful: Faithful = None,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/audit"),
    classifiers: Classifiers = None,
    device: Device = None,
    workers: Workers = None,
) -> None:
    """Write images for a model that only others can call, with a table for its answers.

    Names and order say nothing of the cells. `equipoise audit answers` reads the filled table, and
    `equipoise audit verification --scores` that of --pairs.

    Example: `equipoise audit export-set runs/demo/sampler.safetensors --to to_send`
    """
    from equipoise.audit.blind_set import PAIRS, write_blind_set
    from equipoise.audit.verification.scores import choose_pairs

    drawn = opened_sampler(what, n, device, classifiers, faithful)
    with bars() as progress:
        images = IMAGES if n is None else n
        execution = Execution(workers, progress)
        material = audit_material(what, drawn, images, seed, out, execution, faithful)
        asked = None if pairs is None else choose_pairs(material, pairs, seed)
        write_blind_set(material, to, progress, pairs=asked)
    out_console.print(f"set      {to}, {len(set(material.digests)):,} images and answers.csv")
    if asked is not None:
        out_console.print(f"pairs    {to / PAIRS}, {len(asked):,} pairs")
    out_console.print(f"truth    {material.folder}, to keep; --set of `equipoise audit answers`")


@audit_app.command()
def answers(
    file: Annotated[Path, typer.Argument(help="Answers: a .csv, .tsv, .parquet or .jsonl file.")],
    images: Annotated[
        Path,
        typer.Option(
            "--set", help="Folder of the images: `equipoise sample --verified`, or AUDIT/material."
        ),
    ],
    attribute: Annotated[str, typer.Option(help="What the answers are about.")],
    by: By = None,
    thresholds: Annotated[
        list[float] | None,
        typer.Option("--threshold", help="Of scores, one less than levels; may be repeated."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="label (the verified level), none, or a classifier. "
            "[label where the attribute is balanced, else none]"
        ),
    ] = None,
    second: Annotated[
        str | None, typer.Option(help="A classifier as second opinion on the truth.")
    ] = None,
    words: Words = "",
    judged: Judged = None,
    ignore: Ignore = None,
    tolerance: Tolerance = TOLERANCE,
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and simulated tests.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/audit"),
    workers: Workers = None,
    json_file: JsonFile = None,
    pdf: Pdf = False,
    fail_on: Gate = None,
    junit: JUnit = None,
    table: Table = None,
    plot: Plot = None,
) -> None:
    """Audit recorded answers: of a cloud that you may not call, or of any model of others.

    A row an image: file_name or index, and label, score, or p.LEVEL for each level; confidence and
    seconds may be added. Images without an answer count as failures. docs/auditing.md has more.

    Example: `equipoise audit answers answers.csv --set runs/audit/material --attribute smiling`
    """
    from equipoise.audit.answers_file import read_answers
    from equipoise.audit.classifier import LABEL, NONE, audit_classifier
    from equipoise.audit.images import read_audit_images
    from equipoise.audit.label_noise import read_errors
    from equipoise.audit.level_map import LevelMap
    from equipoise.audit.rate_tables import write_rate_table
    from equipoise.audit.record import AuditSettings
    from equipoise.classifiers import open_classifier

    grid = balanced_groups(images)
    balanced = attribute in grid.names
    if reference is None:
        reference = reference_for(attribute, grid)
    other = None if reference in (LABEL, NONE) else open_classifier(reference)
    levels = grid.attributes[grid.attribute(attribute)].levels if balanced else ()
    mapped = LevelMap.parse(words).named if words else ()
    found = read_answers(file, attribute, levels, thresholds or (), words=mapped)
    settings = AuditSettings(
        attribute=attribute,
        by=chosen_names(by, grid),
        reference=reference,
        map=words,
        tolerance=tolerance,
        ignore=tuple(ignore or ()),
        seed=seed,
    )
    with bars() as progress:
        audit = audit_classifier(
            found,
            read_audit_images(images),
            out,
            settings,
            reference=other,
            second=None if second is None else open_classifier(second),
            errors=None if judged is None else read_errors(judged, attribute, grid),
            execution=Execution(workers, progress),
        )
    print_audit(audit)
    print_report(out / "audit.html", pdf)
    write_files(audit, json_file, plot, table, write_rate_table)
    end_gate("audit of a classifier", audit.checks, fail_on, junit)


@audit_app.command()
def impact(
    folder: Annotated[Path, typer.Argument(help="Folder of a classifier's audit.")],
    level: Annotated[str, typer.Option(help="The prediction that selects.")],
    table: Annotated[
        Path | None, typer.Option(help="Write the table to this file: .csv, .md or .tex.")
    ] = None,
) -> None:
    """Show selection rates and impact ratios, as New York City's Local Law 144 asks for them.

    Example: `equipoise audit impact runs/audit --level yes --table impact.md`
    """
    from equipoise.audit.impact import HEADINGS, impacts, to_rows
    from equipoise.audit.rate_tables import write_rows_of_text
    from equipoise.audit.record import ClassifierAudit
    from equipoise.core.records import read_record

    remedy = f"Run `equipoise audit classifier --out {folder}` first."
    audit = read_record(folder / "audit.json", ClassifierAudit, remedy, what="audit")
    rows = to_rows(impacts(audit, level))
    if table is not None:
        write_rows_of_text(table, lambda: [HEADINGS, *rows], lambda: (HEADINGS, rows))
    print_table(out_console, HEADINGS, rows)

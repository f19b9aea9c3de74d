"""Audits of one's own models with balanced images: audit classifier."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from equipoise.audit.defaults import FACES, IMAGES, TOLERANCE
from equipoise.cli.app import audit_app, err_console, out_console
from equipoise.cli.console import bars, print_caveats, print_table, refuse_flags
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.opening import Opened, open_sampler
from equipoise.cli.options import (
    Address,
    Classifiers,
    Device,
    EngineName,
    GpusPerWorker,
    JsonFile,
    Workers,
)
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.errors import InputError
from equipoise.core.numbers import estimate, interval, percent
from equipoise.core.progress import Execution

if TYPE_CHECKING:
    from equipoise.audit.counterfactuals.folder import CounterfactualFolder
    from equipoise.audit.images import AuditImages
    from equipoise.audit.record import Asking, AuditSettings, ClassifierAudit
    from equipoise.audit.shown import ShownAudit
    from equipoise.classifiers import Classifier
    from equipoise.core.attributes import AttributeGrid
    from equipoise.core.checks import Check

Shown = TypeVar("Shown", bound="ShownAudit")

Balanced = Annotated[
    Path, typer.Argument(help="Sampler file, or folder of `equipoise sample --verified`.")
]
By = Annotated[str | None, typer.Option(help="Balanced attributes to group by. [all]")]
Drawn = Annotated[int | None, typer.Option(help=f"Images, for a sampler. [{IMAGES}]")]
Words = Annotated[
    str, typer.Option("--map", help="The model's words for the levels: 'happy=yes,*=no'.")
]
Judged = Annotated[
    Path | None,
    typer.Option(help="What `label import --json` wrote of the images' verified levels."),
]
Ignore = Annotated[
    list[str] | None, typer.Option(help="Name of a check to ignore; may be repeated.")
]
Tolerance = Annotated[float, typer.Option(help="Gap that is tolerated.")]
Table = Annotated[
    Path | None, typer.Option(help="Write the rates to this file: .csv, .md or .tex.")
]
Plot = Annotated[
    Path | None, typer.Option(help="Write the plot by cell, with intervals: .svg or .png.")
]


@audit_app.command()
def classifier(
    what: Balanced,
    model: Annotated[
        str,
        typer.Option(
            help="pinned:ATTRIBUTE, module:object, a .toml or model file, hf:..., clip:..., "
            "facepp, rekognition (docs/classifiers.md)."
        ),
    ],
    attribute: Annotated[str, typer.Option(help="The audited attribute.")],
    by: By = None,
    n: Drawn = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="label (the verified level), none, or a classifier named as for --model. "
            "[label where the attribute is balanced, else none]"
        ),
    ] = None,
    second: Annotated[
        str | None,
        typer.Option(help="A second opinion on the truth, named as for --model: label noise."),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(help="Attribute to vary on the same faces, for a sampler: skin_tone."),
    ] = None,
    pairs_n: Annotated[int | None, typer.Option(help=f"Faces to vary it on. [{FACES}]")] = None,
    directions: Annotated[
        Path | None,
        typer.Option(help="Directions to vary along. [directions.safetensors beside the sampler]"),
    ] = None,
    words: Words = "",
    judged: Judged = None,
    ignore: Ignore = None,
    tolerance: Tolerance = TOLERANCE,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    faithful: Annotated[
        str | None,
        typer.Option(
            help="Draws: exact, a number that the sampler was made with, or typical. "
            "[exact where the sampler has it]"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/audit"),
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
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print settings and questions to ask, then stop.")
    ] = False,
) -> None:
    """Audit a classifier: errors, abstentions and answers by cell, with intervals and checks.

    docs/auditing.md explains each check. A stopped audit is resumed. --classifier
    gives the new place of the sampler's own classifier; --model is the audited one.

    Example: `equipoise audit classifier runs/demo/sampler.safetensors --model mine:model
    --attribute smiling`
    """
    from equipoise.audit.classifier import LABEL, NONE, audit_classifier
    from equipoise.audit.label_noise import read_errors
    from equipoise.audit.rate_tables import write_rate_table
    from equipoise.audit.record import AuditSettings
    from equipoise.classifiers.models import ClassifierAddress
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    grid = balanced_groups(what)
    if what.is_dir():
        flags = {"pairs": pairs, "pairs-n": pairs_n, "directions": directions}
        refuse_flags(
            "for a folder of images",
            {"n": n, "device": device, "classifier": classifiers, "faithful": faithful, **flags},
        )
    if pairs is None:
        refuse_flags("without --pairs", {"pairs-n": pairs_n, "directions": directions})
    n = IMAGES if n is None else n
    faces = FACES if pairs_n is None else pairs_n
    if reference is None:
        reference = reference_for(attribute, grid)
    names = chosen_names(by, grid)
    named = {"model": model, "second": second}
    named |= {} if reference in (LABEL, NONE) else {"reference": reference}
    addresses = {role: ClassifierAddress(uri) for role, uri in named.items() if uri is not None}
    roles = {role: one.open() for role, one in addresses.items()}
    opened, other, judge = roles["model"], roles.get("reference"), roles.get("second")
    settings = AuditSettings(
        attribute=attribute,
        by=names,
        reference=reference,
        map=words,
        tolerance=tolerance,
        ignore=tuple(ignore or ()),
        seed=seed,
    )
    errors = None if judged is None else read_errors(judged, attribute, grid)
    if dry:
        varied = 0 if pairs is None else len(grid.attributes[grid.attribute(pairs)].levels)
        _dry_run(settings, opened, (other, judge), what, n, varied * faces)
        return
    drawn = None if what.is_dir() else open_sampler(what, device, classifiers)
    with bars() as progress:
        execution = Execution(workers, progress, places)
        material = audit_material(what, drawn, n, seed, out, execution, faithful)
        moved = None
        if pairs is not None and drawn is not None:
            file = directions or what.parent / "directions.safetensors"
            moved = _counterfactuals(drawn, pairs, faces, (what, file), seed, out, execution)
        found = audit_classifier(
            opened,
            material,
            out,
            settings,
            reference=other,
            second=judge,
            errors=errors,
            counterfactuals=moved,
            addresses=addresses,
            execution=execution,
        )
    print_audit(found)
    print_report(out / "audit.html", pdf)
    write_files(found, json_file, plot, table, write_rate_table)
    end_gate("audit of a classifier", found.checks, fail_on, junit)


def reference_for(attribute: str, grid: AttributeGrid) -> str:
    """Return the reference where none is named: the balanced level, if there is one.

    Raises
    ------
    InputError
        When the name is nearly that of a balanced attribute.
    """
    from equipoise.audit.classifier import LABEL, NONE

    if attribute in grid.names:
        return LABEL
    balanced = ", ".join(grid.names)
    if near := difflib.get_close_matches(attribute, grid.names, 1, 0.75):
        raise InputError(
            "--attribute",
            f"must be one of the balanced ones, {balanced}, or come with --reference",
            attribute,
            f"Did you mean {near[0]}? If not, pass --reference none.",
        )
    err_console.print(
        f"{attribute} is none of the balanced attributes, {balanced}: no truth of it is known, so "
        "errors are not counted. Pass --reference to name what knows it."
    )
    return NONE


def balanced_groups(what: Path) -> AttributeGrid:
    """Return the balanced attributes of a folder or a sampler file."""
    from equipoise.samplers.export.metadata import read_metadata
    from equipoise.samplers.file import load_sampler

    return read_metadata(what).grid if what.is_dir() else load_sampler(what).grid


def chosen_names(text: str | None, grid: AttributeGrid) -> tuple[str, ...]:
    """Return the attributes between commas, or all where none is named."""
    return grid.names if text is None else tuple(name.strip() for name in text.split(","))


def opened_sampler(
    what: Path,
    n: int | None,
    device: str | None,
    classifiers: list[str] | None,
    faithful: str | None,
) -> Opened | None:
    """Open what is audited where it is a sampler; for a folder refuse the flags of one."""
    if what.is_dir():
        given = {"n": n, "device": device, "classifier": classifiers, "faithful": faithful}
        refuse_flags("for a folder of images", given)
        return None
    return open_sampler(what, device, classifiers)


def audit_material(
    what: Path,
    drawn: Opened | None,
    n: int,
    seed: int,
    out: Path,
    execution: Execution,
    faithful: str | None = None,
) -> AuditImages:
    """Draw images with an opened sampler, or read those of a folder where there is none."""
    from equipoise.audit.images import draw_audit_images, read_audit_images

    if drawn is None:
        return read_audit_images(what)
    return draw_audit_images(
        *drawn, n, seed, out / "material", faithful=faithful, file=what, execution=execution
    )


def _counterfactuals(
    drawn: Opened,
    attribute: str,
    n: int,
    files: tuple[Path, Path],
    seed: int,
    out: Path,
    execution: Execution,
) -> CounterfactualFolder:
    """Search for faces at every level of an attribute, or read those that the audit keeps.

    `files` are those of the sampler and of the directions.
    """
    from equipoise.audit.counterfactuals.folder import keep_counterfactuals
    from equipoise.audit.counterfactuals.search import CounterfactualSearch
    from equipoise.methods.shift.hyperplanes import LARGEST_DIRECTIONS, read_conditional
    from equipoise.samplers.remote_file import fetched

    sampler, models = drawn
    varied = sampler.grid.attributes[sampler.grid.attribute(attribute)]
    search = CounterfactualSearch(
        sampler=sampler,
        models=models,
        attribute=attribute,
        normals=read_conditional(fetched(files[1], LARGEST_DIRECTIONS), varied),
        n=n,
        seed=seed,
    )
    return keep_counterfactuals(out / "pairs", search, file=files[0], execution=execution)


def _dry_run(
    settings: AuditSettings,
    model: Classifier,
    judges: Sequence[Classifier | None],
    what: Path,
    n: int,
    on_pairs: int,
) -> None:
    """Print the resolved settings and how many questions they ask."""
    from equipoise.samplers.export.metadata import read_metadata

    print_settings({"model": model.name, **vars(settings)})
    drawn = "" if what.is_dir() else f", {n:,} verified images to draw"
    count = len(read_metadata(what).files) if what.is_dir() else n
    more = "".join(f" and {count:,} to {judge.name}" for judge in judges if judge)
    asked = count + on_pairs
    out_console.print(f"cost     at most {asked:,} questions to {model.name}{more}{drawn}")


def print_settings(settings: Mapping[str, object]) -> None:
    """Print the resolved settings of an audit."""
    rows = [
        (name, ", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in settings.items()
    ]
    print_table(out_console, ("setting", "value"), rows)


def print_audit(audit: ClassifierAudit) -> None:
    """Print the verdict, the checks, the rates by cell and what it cost."""
    print_checks(audit)
    groups = audit.breakdowns[0].groups
    near = ("within one level",) if groups[0].within_one is not None else ()
    print_table(
        out_console,
        ("cell", "n", f"wrong by {audit.settings.reference}", "95 %", "abstains", *near),
        [
            (
                group.name,
                f"{group.n:,}",
                percent(group.error.share, missing="-"),
                interval(group.error.low, group.error.high, missing="-"),
                percent(group.abstention.share, missing="-"),
                *(
                    ()
                    if group.within_one is None
                    else (estimate(group.within_one.estimate, percent, missing="-"),)
                ),
            )
            for group in groups
        ],
    )
    if audit.counterfactuals is not None:
        found = audit.counterfactuals
        tried = sum(part.tried for part in found.yields)
        out_console.print(
            f"pairs    {found.n:,} of {tried:,} verified faces could be moved to every level of "
            f"{found.attribute}, {found.calls:,} calls"
        )
    print_costs(audit.costs)


def wanted_rate(fmr: float | None, threshold: float | None) -> float:
    """Return the rate of false matches that sets a threshold; NaN where the threshold is given.

    Raises
    ------
    InputError
        When both are given.
    """
    from equipoise.core.errors import InputError

    if threshold is None:
        return 0.001 if fmr is None else fmr
    if fmr is not None:
        raise InputError("threshold", "must not come with --fmr", threshold, "Leave one out.")
    return float("nan")


def write_files(
    audit: Shown,
    json_file: Path | None,
    plot: Path | None,
    table: Path | None,
    write_table: Callable[[Shown, Path], None],
) -> None:
    """Write what was asked for beside the report: numbers, rates, a plot."""
    from equipoise.core.records import write_record

    if json_file is not None:
        write_record(json_file, audit)
    if table is not None:
        write_table(audit, table)
    if plot is not None:
        audit.plot().save(plot)


def print_checks(audit: ShownAudit) -> None:
    """Print the caveats, the verdict and the checks of an audit, the worst of each kind whole."""
    from equipoise.core.checks import by_kind

    print_caveats(out_console, audit.caveats)
    out_console.print(f"verdict  {audit.verdict}")
    groups = by_kind(audit.checks)
    print_table(
        out_console,
        ("outcome", "check", "answer"),
        [(worst.outcome, worst.check_id, worst.words + _folded(more)) for worst, *more in groups],
    )


def _folded(checks: Sequence[Check]) -> str:
    """Name the checks that are not printed whole."""
    names = ", ".join(check.check_id for check in checks)
    return f" {len(checks)} more of this kind, which say less: {names}." if checks else ""


def print_costs(costs: Sequence[Asking]) -> None:
    """Print what an audit asked, and how long that took."""
    for cost in costs:
        out_console.print(
            f"cost     {cost.role} {cost.name}: asked {cost.asked:,}, kept {cost.kept:,}, "
            f"failed {cost.failed:,}, {cost.seconds:.1f} s"
        )

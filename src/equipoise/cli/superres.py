"""Audits of super-resolution with balanced images: audit superres."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.audit.defaults import PER_CELL, TOLERANCE
from equipoise.cli.app import audit_app, out_console
from equipoise.cli.audit import (
    Balanced,
    Ignore,
    Plot,
    Table,
    audit_material,
    balanced_groups,
    chosen_names,
    print_checks,
    print_costs,
    print_settings,
    wanted_rate,
    write_files,
)
from equipoise.cli.console import bars, print_table, refuse_flags
from equipoise.cli.gate import Gate, JUnit, end_gate
from equipoise.cli.opening import Opened, open_sampler
from equipoise.cli.options import (
    AbstainBelow,
    Address,
    Classifiers,
    Device,
    EngineName,
    GpusPerWorker,
    JsonFile,
    Workers,
)
from equipoise.cli.reports import Pdf, print_report
from equipoise.core.errors import check_count
from equipoise.core.numbers import estimate, interval, percent
from equipoise.core.progress import Execution

if TYPE_CHECKING:
    from equipoise.audit.superres.record import SuperresAudit, SuperresSettings
    from equipoise.classifiers import ClassifierPanel
    from equipoise.core.attributes import AttributeGrid
    from equipoise.generators import Generator


@audit_app.command()
def superres(
    what: Balanced,
    model: Annotated[
        str,
        typer.Option(
            help="pulse, bicubic, module:object, an .onnx, TorchScript .pt or .toml file."
        ),
    ],
    generator: Annotated[
        str | None,
        typer.Option(help="That pulse searches, for a folder. [a sampler brings its own]"),
    ] = None,
    attributes: Annotated[
        str | None, typer.Option(help="Balanced attributes whose flips are counted. [all]")
    ] = None,
    classifiers: Classifiers = None,
    abstain_below: AbstainBelow = None,
    factor: Annotated[int, typer.Option(help="By which images are reduced: 4 or 8.")] = 4,
    n: Annotated[
        int | None,
        typer.Option(help="Images to restore, as many of each cell as there are. [40 a cell]"),
    ] = None,
    steps: Annotated[int, typer.Option(help="Of the search of pulse.")] = 100,
    restarts: Annotated[
        int, typer.Option(help="Tries an image, of which the best counts; shows diversity.")
    ] = 1,
    descriptors: Annotated[
        str | None,
        typer.Option(
            help="module:function from images to vectors, a .toml file of a model of them, or an "
            ".npz file of originals and restored images: is a face still the same person?"
        ),
    ] = None,
    fmr: Annotated[
        float | None,
        typer.Option(
            help="Rate of pairs of different originals that match, sets the threshold. [0.001]"
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Cosine similarity from which on faces match, in place of --fmr."),
    ] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(
            help="A further classifier, whose scores may drift, such as pinned:age; repeat it."
        ),
    ] = None,
    ignore: Ignore = None,
    tolerance: Annotated[float, typer.Option(help="Gap or change that is tolerated.")] = TOLERANCE,
    seed: Annotated[int, typer.Option(help="Seed of the draws and of the model's randomness.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the audit.")] = Path("runs/superres"),
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
        bool, typer.Option("--dry-run", help="Print settings and images to restore, then stop.")
    ] = False,
) -> None:
    """Audit super-resolution: flips between cells, drift, identity and fidelity, by cell.

    docs/auditing.md explains each check. A stopped audit is resumed.

    Example: `equipoise audit superres runs/demo/sampler.safetensors --model pulse --restarts 2`
    """
    from equipoise.audit.share_table import write_share_table
    from equipoise.audit.superres.models import RestorerAddress, open_super_resolution_model
    from equipoise.audit.superres.record import SuperresSettings
    from equipoise.audit.superres.run import audit_superres
    from equipoise.classifiers.models import ClassifierAddress, PanelClassifierAddress
    from equipoise.engines import open_engine

    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    grid = balanced_groups(what)
    names = chosen_names(attributes, grid)
    cells = math.prod(len(grid.attributes[grid.attribute(name)].levels) for name in names)
    if descriptors is None:
        refuse_flags("without --descriptors", {"fmr": fmr, "threshold": threshold})
    if n is not None:
        check_count("n", n, f"Pass --n {PER_CELL * cells}, or leave it out.")
    settings = SuperresSettings(
        model=model,
        attributes=names,
        factor=factor,
        per_cell=PER_CELL if n is None else -(-n // cells),
        restarts=restarts,
        tolerance=tolerance,
        ignore=tuple(ignore or ()),
        descriptors=descriptors or "",
        fmr=wanted_rate(fmr, threshold),
        watch=tuple(watch or ()),
        seed=seed,
    )
    drawn, searched, panel = _models(what, grid, generator, device, classifiers, abstain_below)
    restorer = open_super_resolution_model(model, factor, searched, steps=steps)
    restored_by = RestorerAddress(model, factor, steps, generator, device or "cpu")
    names, given = tuple(grid.names), tuple(classifiers or ())
    if drawn is not None:
        own = drawn[1].shared_addresses
        restored_by = RestorerAddress(
            model, factor, steps, own.generator, own.device, own.batch_size
        )
        names, given = own.attributes, own.classifiers
    panel_by = [
        PanelClassifierAddress(names, given, restored_by.generator, place, restored_by.device)
        for place in range(len(panel.classifiers))
    ]
    watched_by = [ClassifierAddress(name) for name in watch or ()]
    watched = [one.open() for one in watched_by]
    if dry:
        _dry_run(settings, restorer.name, settings.per_cell * cells if n is None else n)
        return
    with bars() as progress:
        images = PER_CELL * grid.size if n is None else n
        execution = Execution(workers, progress, places)
        material = audit_material(what, drawn, images, seed, out, execution)
        found = audit_superres(
            restorer,
            material,
            panel,
            out,
            settings,
            watch=watched,
            threshold=threshold,
            address=restored_by,
            watched_by=watched_by,
            panel_by=panel_by,
            execution=execution,
        )
    _print(found)
    print_report(out / "superres.html", pdf)
    write_files(found, json_file, plot, table, write_share_table)
    end_gate("audit of super-resolution", found.checks, fail_on, junit)


def _models(
    what: Path,
    grid: AttributeGrid,
    generator: str | None,
    device: str | None,
    classifiers: list[str] | None,
    abstain_below: float | None,
) -> tuple[Opened | None, Generator | None, ClassifierPanel]:
    """Return the sampler and the generator to search, where there are any, and the panel."""
    from equipoise.classifiers import open_panel
    from equipoise.generators import open_generator

    if what.is_dir():
        found = None if generator is None else open_generator(generator, device=device or "cpu")
        panel = open_panel(
            grid.names, found, abstain_below=abstain_below or 0.0, classifiers=classifiers or ()
        )
        return None, found, panel
    flags = {"generator": generator, "abstain-below": abstain_below}
    refuse_flags("for a sampler, which brings its own", flags)
    drawn = open_sampler(what, device, classifiers)
    return drawn, drawn[1].generator, drawn[1].panel


def _dry_run(settings: SuperresSettings, name: str, most: int) -> None:
    """Print the resolved settings and how many images they restore."""
    print_settings(vars(settings))
    out_console.print(
        f"cost     at most {most * settings.restarts:,} images restored by {name}, "
        f"and {3 * most:,} read by the panel"
    )


def _print(audit: SuperresAudit) -> None:
    """Print the verdict, the checks, flips and fidelity by cell, and what it cost."""
    print_checks(audit)
    print_table(
        out_console,
        ("cell", "n", "flips", "95 %", "under JPEG", "becomes most", "PSNR", "SSIM"),
        [
            (
                group.name,
                f"{group.n:,}",
                percent(group.flips.share, missing="-"),
                interval(group.flips.low, group.flips.high, missing="-"),
                percent(group.reencoded.share, missing="-"),
                group.toward[0].name if group.toward else "-",
                f"{near.psnr.value:.1f}",
                f"{near.ssim.value:.2f}",
            )
            for group, near in zip(audit.flips[0].groups, audit.fidelity, strict=True)
        ],
    )
    for table in audit.flips[1:]:
        flips = table.overall.flips
        out_console.print(
            f"flips    {table.where}: {flips.count:,} of {flips.n:,}, "
            f"{percent(flips.share, missing='-')}"
        )
    _print_drift(audit)
    print_costs(audit.costs)


def _print_drift(audit: SuperresAudit) -> None:
    """Print drift by cell, and whether faces are still the same."""
    for table in audit.drift:
        rows = [
            (cell.name, f"{cell.n:,}", estimate(cell.change), estimate(cell.size))
            for cell in (*table.cells, table.overall)
        ]
        print_table(out_console, ("cell", "n", f"{table.attribute}, change", "size"), rows)
    if audit.identity is None:
        return
    print_table(
        out_console,
        ("cell", "n", "distance from the original", "after JPEG", "another person"),
        [
            (
                cell.name,
                f"{cell.n:,}",
                estimate(cell.distance),
                estimate(cell.reencoded, missing="-"),
                estimate(cell.other.estimate, percent, missing="-"),
            )
            for cell in (*audit.identity.cells, audit.identity.overall)
        ],
    )

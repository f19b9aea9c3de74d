"""Samplers and what comes out of them: sample, describe, measure.

Before a measurement: plan.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    picture_files,
    print_caveats,
    print_representation,
    print_statement,
    refuse_flags,
)
from equipoise.cli.contexts import measure_folder_contexts, measure_table_contexts
from equipoise.cli.options import (
    Address,
    Attributes,
    Classifiers,
    Device,
    DryRun,
    EngineName,
    GpusPerWorker,
    JsonFile,
    SkipBroken,
    Workers,
)
from equipoise.core.errors import InputError
from equipoise.core.numbers import percent
from equipoise.core.progress import Engine, Execution
from equipoise.core.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equipoise.classifiers import ClassifierPanel
    from equipoise.classifiers.models import Models
    from equipoise.core.context_targets import ContextTargets
    from equipoise.core.labels import Labels
    from equipoise.labelling.image_shards import PanelAddress
    from equipoise.samplers.export.c2pa_manifest import ManifestSigner
    from equipoise.samplers.sampler import Sampler

Faithful = Annotated[
    str | None,
    typer.Option(
        help="For verified draws: a number that the sampler was made with, exact or typical. "
        "[the sampler's own]",
    ),
]

Moved = Annotated[
    str | None,
    typer.Option(
        "--generator", help="The sampler's generator in another file, as `convert` makes it."
    ),
]

Opened: TypeAlias = "tuple[Sampler, Models]"
"""A sampler with its generator and the panel that its labels came from."""


@app.command()
def sample(
    sampler: Annotated[Path, typer.Argument(help="Sampler file.")],
    out: Annotated[
        str,
        typer.Option(help="Folder, or file for npz and tar; an address too for webdataset."),
    ],
    n: Annotated[int, typer.Option(help="Images.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    cell: Annotated[
        str | None, typer.Option(help="One cell alone: 'smiling=yes, skin_tone=dark'.")
    ] = None,
    verified: Annotated[
        bool,
        typer.Option(
            "--verified", help="Keep only images that came out as requested: exact counts."
        ),
    ] = False,
    faithful: Faithful = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="folder, npz, tar (WebDataset), or webdataset: a folder of tars. "
            "[by the name of OUT]",
        ),
    ] = None,
    shard_size: Annotated[
        int, typer.Option(help="Images of a tar, for the format webdataset.")
    ] = 10_000,
    c2pa_key: Annotated[
        Path | None,
        typer.Option(
            "--c2pa-key",
            help="Private key (PEM) that signs a C2PA manifest in each picture, of the formats "
            "folder and tar; needs the extra c2pa.",
        ),
    ] = None,
    c2pa_certificate: Annotated[
        Path | None,
        typer.Option("--c2pa-certificate", help="Certificate chain (PEM) of --c2pa-key."),
    ] = None,
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    classifiers: Classifiers = None,
    generator: Moved = None,
    device: Device = None,
    workers: Workers = None,
    dry: DryRun = False,
) -> None:
    """Draw images from a sampler.

    Example: `equipoise sample runs/demo/sampler.safetensors --n 1000 --out images`
    """
    from equipoise.engines import open_engine
    from equipoise.samplers.draw import DrawRequest
    from equipoise.samplers.export import format_of, write_draws
    from equipoise.samplers.export.shards import write_shards
    from equipoise.samplers.file import load_sampler

    kind = kind or format_of(Path(out))
    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    if places is not None and kind != "webdataset":
        refuse_flags(f"for the format {kind}, but webdataset", {"engine": engine})
    if "://" in out and kind != "webdataset":
        raise InputError(
            "out", f"must be a path for the format {kind}", out, "Pass --format webdataset."
        )

    signer = _signer(kind, c2pa_key, c2pa_certificate)
    if dry:
        out_console.print(load_sampler(sampler).describe())
        more = ", and more for those that are refused" if verified else ""
        out_console.print(f"cost     {n:,} generator calls, each with one reading{more}")
        return
    loaded, models = open_sampler(sampler, device, classifiers, generator)
    request = DrawRequest(n, seed, cell, verified, faithful)
    with bars(resumes=kind in ("folder", "webdataset")) as progress:
        execution = Execution(workers=workers, progress=progress, engine=places)
        if kind == "webdataset":
            write_shards(
                sampler,
                (loaded, models),
                request,
                out,
                shard_size=shard_size,
                execution=execution,
            )
        else:
            write_draws(
                loaded, models, request, Path(out), kind, signer=signer, execution=execution
            )
    out_console.print(f"images   {out}")


def _signer(kind: str, key: Path | None, certificate: Path | None) -> ManifestSigner | None:
    """Return what signs pictures, or None where no key is given."""
    from equipoise.samplers.export.c2pa_manifest import ManifestSigner

    if key is None and certificate is None:
        return None
    flags = {"c2pa-key": key, "c2pa-certificate": certificate}
    if kind not in ("folder", "tar"):
        refuse_flags(f"for the format {kind}, but folder or tar", flags)
    if key is None or certificate is None:
        missing = "c2pa-key" if key is None else "c2pa-certificate"
        raise InputError(f"--{missing}", "must come with the other", "none", "Pass both.")
    return ManifestSigner(key, certificate)


@app.command()
def describe(
    sampler: Annotated[Path, typer.Argument(help="Sampler file.")],
) -> None:
    """Describe a sampler.

    Example: `equipoise describe runs/demo/sampler.safetensors`
    """
    from equipoise.samplers.file import load_sampler

    out_console.print(load_sampler(sampler).describe(), highlight=False)


@app.command()
def measure(
    what: Annotated[
        str,
        typer.Argument(
            help="Sampler file; folder of images, or of the tars of a WebDataset, or its address; "
            "table of labels (.csv), with --contexts."
        ),
    ],
    attributes: Attributes = None,
    classifiers: Classifiers = None,
    generator: Moved = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="As for balance; a sampler brings its own by default. With --contexts also a "
            ".csv with the columns context, cell and share."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Departure of a share that the verdict counts as met.")
    ] = 0.02,
    n: Annotated[int | None, typer.Option(help="Draws, for a sampler. [as many as decide]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws, for a sampler. [1]")] = None,
    skip_broken: SkipBroken = False,
    device: Device = None,
    workers: Workers = None,
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    contexts: Annotated[
        bool,
        typer.Option(
            "--contexts",
            help="Measure the mix within each context: column context of metadata.csv or of a "
            "table of labels, or else the sub-folder.",
        ),
    ] = False,
    kept: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Folder or address that keeps the labels: a stopped measurement goes on, and "
            "workers on other machines reach it. [a temporary folder]",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Measure the mix of a sampler, or of a folder of images, against a target.

    Example: `equipoise measure images --attributes smiling,skin_tone --target uniform`
    """
    from equipoise.core.records import write_record
    from equipoise.engines import open_engine
    from equipoise.measure.representation import represent

    given: dict[str, object] = {"n": n, "seed": seed, "generator": generator}
    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    if "://" in what or Path(what).is_dir():
        refuse_flags("for a folder of images", given)
        panel = panel_address(attributes, classifiers, device)
        where = workers, places
        found = _label_images(what, panel, target, tolerance, where, kept, skip_broken, contexts)
        if contexts:
            measure_folder_contexts(what, *found, tolerance, json_file)
            return
        labels, _, wanted = found
        record: Any = represent(labels, wanted.common if wanted else None, tolerance)
        representation = record
    elif what.lower().endswith(".csv"):
        given |= {"classifier": classifiers, "device": device, "keep": kept}
        given |= {"skip-broken": skip_broken or None}
        refuse_flags("for a table of labels", given)
        measure_table_contexts(Path(what), attributes, target, tolerance, json_file)
        return
    else:
        refuse_flags("for a sampler, which brings its own", {"attributes": attributes})
        flags = {"skip-broken": skip_broken or None, "contexts": contexts or None}
        refuse_flags("for a sampler", flags)
        opened = open_sampler(Path(what), device, classifiers, generator)
        record = _measure_sampler(opened, target, tolerance, n, seed, kept, (workers, places))
        representation = record.representation
    print_representation(out_console, what, representation)
    if json_file is not None:
        write_record(json_file, record)


def _label_images(
    what: str,
    address: PanelAddress,
    target: str | None,
    tolerance: float,
    where: tuple[int | None, Engine | None],
    kept: str | None,
    skip_broken: bool,
    contexts: bool,
) -> tuple[Labels, Sequence[str], ContextTargets | None]:
    """Return the labels of images, their names in the folder, and the target."""
    from equipoise.audit.preflight.before_run import IMAGES, check_panel
    from equipoise.core.context_targets import parse_context_targets
    from equipoise.core.folders import LocalFolder, open_folder
    from equipoise.core.synthetic_mark import count_marked
    from equipoise.labelling.image_files import equal_sizes
    from equipoise.labelling.image_shards import files_digest, label_images, webdataset_tars
    from equipoise.labelling.picture import read_image
    from equipoise.measure.representation import check_comparable

    panel = address.open()
    wanted = None if target is None else parse_context_targets(target, panel.grid)
    if wanted and wanted.own and not contexts:
        rule = "must be one for all images without --contexts"
        raise InputError("target", rule, target, "Pass --contexts.")
    check_comparable(panel.grid, wanted.common if wanted else None, tolerance)
    images, (workers, engine) = open_folder(what), where
    names, digest = webdataset_tars(images)
    tars = bool(names)
    if tars:
        refuse_flags("for tars", {"skip-broken": skip_broken or None})
    elif isinstance(images, LocalFolder):
        files = picture_files(images.path, skip_broken=skip_broken, workers=workers)
        check_panel(panel, next(equal_sizes(map(read_image, files[:IMAGES]))))
        names = [str(path.relative_to(images.path)) for path in files]
        digest = files_digest(files)
        if marked := count_marked(files):
            out_console.print(
                f"origin   {marked:,} of {len(files):,} pictures say that they are synthetic"
            )
    else:
        remedy = "Name an export, or copy the images to a folder."
        raise InputError(f"address {what}", "must hold tars, and no images beside", "none", remedy)
    with bars(resumes=kept is not None) as progress, tempfile.TemporaryDirectory() as folder:
        labels = label_images(
            images,
            names,
            digest,
            address,
            open_folder(kept or folder),
            tars=tars,
            panel=panel,
            execution=Execution(workers, progress, engine),
        )
    print_caveats(out_console, panel.caveats)
    return labels, names, wanted


def _measure_sampler(
    opened: Opened,
    target: str | None,
    tolerance: float,
    n: int | None,
    seed: int | None,
    kept: str | None,
    where: tuple[int | None, Engine | None],
) -> Any:
    from equipoise.audit.preflight.before_run import check_models
    from equipoise.core.targets import parse_target
    from equipoise.measure.sampler import measure_sampler

    sampler, models = opened
    panel = models.panel
    check_models(models, 1 if seed is None else seed)
    wanted = None if target is None else parse_target(target, panel.grid).resolve(None)
    print_caveats(out_console, models.caveats)
    workers, engine = where
    with bars(resumes=kept is not None) as progress, tempfile.TemporaryDirectory() as folder:
        return measure_sampler(
            sampler,
            models,
            n,
            1 if seed is None else seed,
            kept or folder,
            target=wanted,
            tolerance=tolerance,
            execution=Execution(workers=workers, progress=progress, engine=engine),
        )


def panel_of(attributes: str | None, classifiers: list[str] | None) -> ClassifierPanel:
    """Return the panel for images of anybody."""
    return panel_address(attributes, classifiers).open()


def panel_address(
    attributes: str | None, classifiers: list[str] | None, device: str | None = None
) -> PanelAddress:
    """Return the names by which `panel_of` opens its panel."""
    from equipoise.labelling.image_shards import PanelAddress

    given = {"attributes": attributes, "classifiers": classifiers, "device": device}
    named = make_settings({key: value for key, value in given.items() if value})
    return PanelAddress(named.attributes, named.classifiers, named.device)


def open_sampler(
    path: Path,
    device: str | None,
    classifiers: list[str] | None = None,
    generator: str | None = None,
) -> Opened:
    """Return a sampler with its generator and the panel that its labels came from.

    `classifiers` and `generator` give the new places of the sampler's own.
    """
    from equipoise.samplers.file import load_sampler

    return open_saved(load_sampler(path), device, classifiers, generator)


def open_saved(
    saved: Sampler,
    device: str | None,
    classifiers: list[str] | None = None,
    generator: str | None = None,
) -> Opened:
    """Return a sampler that was just loaded as `open_sampler` does."""
    from equipoise.pipeline import open_models

    given = {"device": device, "classifiers": classifiers, "generator": generator}
    settings = make_settings({**saved.settings, **{k: v for k, v in given.items() if v}})
    models = open_models(settings)
    sampler = saved.bound(models.generator)
    sampler.check_panel(models.panel)
    return sampler, models


@app.command()
def plan(
    attributes: Attributes = None,
    target: Annotated[
        str | None, typer.Option(help="As for balance, without conditional. [uniform]")
    ] = None,
    half_width: Annotated[
        float | None, typer.Option(help="Wanted half-width of the simultaneous intervals.")
    ] = None,
    gap: Annotated[
        float | None, typer.Option(help="Departure of a share that must be found.")
    ] = None,
    power: Annotated[float, typer.Option(help="Chance that the gap is found.")] = 0.8,
    sampler: Annotated[
        Path | None,
        typer.Option(
            help="Sampler file: brings cells and target, and is timed.", show_default=False
        ),
    ] = None,
    classifiers: Classifiers = None,
    verified: Annotated[
        bool, typer.Option("--verified", help="Count the calls of verified draws.")
    ] = False,
    faithful: Faithful = None,
    device: Device = None,
    json_file: JsonFile = None,
) -> None:
    """Compute the number of images that a measurement needs, and their cost.

    Example: `equipoise plan --attributes smiling,skin_tone --half-width 0.01 --gap 0.02`
    """
    import numpy as np

    from equipoise.core.labels import concatenate
    from equipoise.core.records import write_record
    from equipoise.core.targets import parse_target
    from equipoise.labelling.draws import LabelledDraws
    from equipoise.measure.plan import plan as make
    from equipoise.measure.plan import verified_calls
    from equipoise.measure.representation import summarise_confusion
    from equipoise.samplers.draw import one_shot

    calls, speed = 1.0, None
    if sampler is not None:
        loaded, models = open_sampler(sampler, device, classifiers)
        loaded = loaded.for_verified(faithful).even if verified else loaded
        wanted = (
            loaded.target if target is None else parse_target(target, loaded.grid).resolve(None)
        )
        began, tried = time.perf_counter(), 1024
        batches = list(one_shot(loaded, models, tried))
        speed = tried / (time.perf_counter() - began)
        stated = loaded.statements
        if verified and stated:
            # The sampler's own mode is stated first.
            mode = next(one for one in stated if faithful in (None, one.faithful))
            print_statement(out_console, mode)
            names = [cell.cell for cell in mode.cells]
            shares = [wanted.shares[loaded.grid.index(name)] for name in names]
            costs = [cell.calls_per_effective.value for cell in mode.cells]
            calls = float(np.dot(shares, costs))
        elif verified:
            labels = concatenate([batch.labels for batch in batches])
            requested = np.concatenate([batch.latents.requested for batch in batches])
            counts = LabelledDraws(labels, requested).confusion
            confusion = summarise_confusion(loaded.grid, counts)
            calls = verified_calls([s.share for s in confusion.purity], wanted.shares)
    else:
        grid = panel_of(attributes, classifiers).grid
        wanted = parse_target(target or "uniform", grid).resolve(None)
    found = make(
        wanted.shares,
        half_width=half_width,
        gap=gap,
        power=power,
        calls_per_image=calls,
        images_per_second=speed,
    )
    out_console.print(f"cells    {wanted.grid.size}, target {wanted.text}")
    out_console.print(f"images   {found.n:,}, at {calls:.2f} generator calls each: {found.calls:,}")
    if speed is not None:
        out_console.print(f"time     {found.seconds:,.0f} s at {speed:,.0f} images a second")
    out_console.print(f"gives    half-widths of at most {percent(found.half_width, 2)}")
    out_console.print(
        f"finds    gaps of {percent(found.gap, 2)} with a chance of {percent(found.power, 0)}"
    )
    if json_file is not None:
        write_record(json_file, found)

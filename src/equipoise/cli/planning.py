"""Before a measurement: plan."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.options import Attributes, Classifiers, Device, JsonFile


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
    device: Device = None,
    json_file: JsonFile = None,
) -> None:
    """Tell how many images a measurement needs, and what they cost.

    Example: `equipoise plan --attributes smiling,skin_tone --half-width 0.01 --gap 0.02`
    """
    from equipoise.cli.drawing import open_sampler, panel_of
    from equipoise.drawing import one_shot
    from equipoise.measure.plan import plan as make
    from equipoise.measure.plan import verified_calls
    from equipoise.measure.representation import confuse
    from equipoise.store import write_json
    from equipoise.targets import parse_target

    calls, speed = 1.0, None
    if sampler is not None:
        loaded, generator, panel = open_sampler(sampler, device, classifiers)
        loaded = loaded.for_verified.even if verified else loaded
        wanted = loaded.target if target is None else parse_target(target, panel.groups)
        began, tried = time.perf_counter(), 1024
        batches = list(one_shot(loaded, generator, panel, tried))
        speed = tried / (time.perf_counter() - began)
        if verified:
            confusion = confuse(
                loaded.groups,
                np.concatenate([b.draws.requested for b in batches]),
                np.concatenate([b.labels.cells for b in batches]),
            )
            calls = verified_calls([s.share for s in confusion.purity], wanted.shares)
    else:
        groups = panel_of(attributes, classifiers).groups
        wanted = parse_target(target or "uniform", groups)
    found = make(
        wanted.shares,
        half_width=half_width,
        gap=gap,
        power=power,
        calls_per_image=calls,
        images_per_second=speed,
    )
    out_console.print(f"cells    {wanted.groups.size}, target {wanted.text}")
    out_console.print(f"images   {found.n:,}, at {calls:.2f} generator calls each: {found.calls:,}")
    if speed is not None:
        out_console.print(f"time     {found.seconds:,.0f} s at {speed:,.0f} images a second")
    out_console.print(f"gives    half-widths of at most {found.half_width:.2%}")
    out_console.print(f"finds    gaps of {found.gap:.2%} with a chance of {found.power:.0%}")
    if json_file is not None:
        write_json(json_file, found)

"""How far a run is: status."""

from __future__ import annotations

import time
from math import isnan
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.options import JsonFile


@app.command()
def status(
    run: Annotated[
        str, typer.Argument(help="Folder of a run, of labels, or of an export; or its address.")
    ],
    price: Annotated[
        float | None,
        typer.Option("--price-per-hour", help="Of one worker: prints the cost so far."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Print how far a run is, while it works or after it, by its completion records.

    Example: `equipoise status runs/labels`
    """
    from equipoise.core.records import write_record
    from equipoise.runs.status import run_status

    found = run_status(run)
    for folder in found:
        line = f"{folder.name:8} {folder.rows:,}/{folder.total:,} in {folder.shards:,} shards"
        if not isnan(folder.per_second):
            line += f", {folder.per_second:,.1f}/s"
        if folder.rows < folder.total and not isnan(folder.seconds_left):
            line += f", {folder.seconds_left:,.0f} s left"
        if folder.failed:
            line += f", {folder.failed:,} shards failed"
        hours = folder.worker_seconds / 3600
        line += f", {hours:,.2f} worker hours"
        if price is not None:
            line += f" at {price:g}: {hours * price:,.2f}"
        ago = max(time.time() - folder.finished, 0)
        out_console.print(f"{line}, newest {ago:,.0f} s ago, on {', '.join(folder.places)}")
    if json_file is not None:
        write_record(json_file, {"folders": found})

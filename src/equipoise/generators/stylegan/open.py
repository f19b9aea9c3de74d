"""Which generator a file of a PGGAN or a StyleGAN becomes."""

from __future__ import annotations

from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.generators.stylegan.class_contexts import StyleGANClasses
from equipoise.generators.stylegan.file import load_network
from equipoise.generators.stylegan.generator import DifferentiableStyleGAN, StyleGAN
from equipoise.generators.stylegan.options import Options


def open_stylegan(
    file: Path, options: Options, *, name: str, device: str, batch_size: int | None
) -> StyleGAN | StyleGANClasses:
    """Open the generator in a file; a `Differentiable` over z without classes and random noise.

    With `contexts=classes` it is a `Prompted` one.

    Parameters
    ----------
    file : Path
        See `load_network`.
    options : Options
    name : str
        The address, which names the family and appears in reports.
    device : str
    batch_size : int or None
        As for `StyleGAN`.

    Raises
    ------
    InputError
        When the file holds the other family, or the options do not apply.
    FileFormatError
        As `load_network`.
    """
    network = load_network(file)
    family = network.config.family
    if not name.startswith(f"{family}:"):
        raise InputError("generator", f"must be {family}: for {file}", name, "Correct the address.")
    # Searches stay on the sphere of a normal prior, where codes of w do not lie. Random noise is a
    # discontinuous function of the code.
    smooth = options.space == "z" and options.noise != "random"
    searchable = smooth and not network.config.c_dim
    kind = DifferentiableStyleGAN if searchable else StyleGAN
    found = kind(network, options, name=name, device=device, batch_size=batch_size)
    return StyleGANClasses(found, options.shares(network.config)) if options.contexts else found

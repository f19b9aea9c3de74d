"""Generators: codes in, images out. `open_generator` finds one by name."""

from __future__ import annotations

from equipoise.errors import InputError, check_count
from equipoise.generators.address import parse_address
from equipoise.generators.base import (
    Differentiable,
    Generator,
    Prior,
    StandardNormal,
    generate,
)
from equipoise.generators.device import check_device

__all__ = [
    "NAMES",
    "Differentiable",
    "Generator",
    "Prior",
    "StandardNormal",
    "generate",
    "open_generator",
]

NAMES = ("digiface-dcgan", "toy")
"""Generators that `open_generator` knows by name."""


def open_generator(name: str, *, device: str = "cpu", batch_size: int | None = None) -> Generator:
    """Return the generator called `name`; its weights are fetched when the cache lacks them.

    Parameters
    ----------
    name : str
        One of `NAMES`, or the address of a StyleGAN2 in a file, as
        "stylegan2:faces.pkl?space=w&truncation=1"; docs/generators/stylegan2.md tells the options.
    device : str
        Where to compute: "cpu", "cuda", "mps".
    batch_size : int, optional
        Codes in one call; the generator's own default when not given.

    Raises
    ------
    InputError
        When the name, an option or the device is unknown.
    FileFormatError
        When the file is damaged, foreign, or holds something else.

    Examples
    --------
    >>> open_generator("toy").dim
    16
    """
    if batch_size is not None:
        check_count("batch_size", batch_size, "Leave it out.")
    check_device(device)
    if name == "digiface-dcgan":
        from equipoise.generators.dcgan import digiface_dcgan

        return digiface_dcgan(device, batch_size or 64)
    if name == "toy":
        from equipoise.generators.toy import ToyGenerator

        return ToyGenerator(batch_size=batch_size or 256)
    if name.startswith("stylegan2:"):
        from equipoise.generators.stylegan2.adapter import open_stylegan2
        from equipoise.generators.stylegan2.options import options_of

        address = parse_address(name)
        return open_stylegan2(
            address.file,
            options_of(address.options),
            name=name,
            device=device,
            batch_size=batch_size,
        )
    raise InputError(
        "generator",
        f"must be one of {', '.join(NAMES)}, or stylegan2:file",
        name,
        "Correct the name.",
    )

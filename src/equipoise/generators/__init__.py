"""Generators map latent codes to images. `open_generator` opens one by name or address."""

from __future__ import annotations

from equipoise.core.errors import InputError, check_count
from equipoise.generators.address import expand_shorthand, parse_address
from equipoise.generators.base import (
    Differentiable,
    Generator,
    Prior,
    Prompted,
    Staged,
    StandardNormal,
    generate,
)
from equipoise.generators.neighbours import check_neighbours
from equipoise.runtimes.devices import check_device

__all__ = [
    "NAMES",
    "Differentiable",
    "Generator",
    "Prior",
    "Prompted",
    "Staged",
    "StandardNormal",
    "generate",
    "open_generator",
]

NAMES = ("digiface-dcgan", "toy", "toy-text")
"""Names of the generators that come with Equipoise."""


def open_generator(name: str, *, device: str = "cpu", batch_size: int | None = None) -> Generator:
    """Open a generator by its name or address; pinned weights are downloaded when needed.

    Parameters
    ----------
    name : str
        One of `NAMES`; a name that an installed package provides; or an address, such as
        "stylegan2:faces.pkl?space=w", "torchscript:faces.pt", "faces.onnx#z", "diffusers:folder",
        "diffusers-text:folder?prompts=jobs.csv", "toy-text:jobs.csv",
        or "module:object" for your own. docs/generators/README.md lists the options.
    device : str
        Where to compute: "cpu", "cuda", "mps".
    batch_size : int, optional
        Codes per call; each generator has its own default.

    Raises
    ------
    InputError
        When the name, an option or the device is unknown, or the file is one of torch.export.
    FileFormatError
        When the file is damaged, of another format, or holds something else.
    ModelOutputError
        When a network fails, returns no images, or returns different images for the same code: at
        another call, or beside other codes. Two batches of two codes are compared.
    FetchError, StorageError
        When pinned weights cannot be downloaded or stored.

    Examples
    --------
    >>> open_generator("toy").dim
    16
    """
    if batch_size is not None:
        check_count("batch_size", batch_size, "Leave it out.")
    check_device(device)
    generator = _opened(expand_shorthand(name), device, batch_size)
    check_neighbours(generator)
    return generator


_STYLEGANS = ("pggan", "stylegan1", "stylegan2", "stylegan3")

_OF_FILES = (*_STYLEGANS, "toy-text", "dcgan", "torchscript", "onnx")
"""Families whose addresses name a file."""


def check_name(name: str) -> None:
    """Refuse a name that no generator has, or the address of a file that is not there.

    Nothing is opened, so that a dry run costs nothing.

    Raises
    ------
    InputError
        When the name is unknown, or there is no such file.
    """
    expanded = expand_shorthand(name)
    if expanded in NAMES:
        return
    if ":" not in expanded:
        from equipoise.generators.networks.modules import entry_point

        if entry_point(expanded) is None:
            raise _unknown(name)
    elif expanded.partition(":")[0] in _OF_FILES:
        file = parse_address(expanded).file
        if not file.is_file():
            raise InputError("generator", "must name a file", file, "Correct the path.")


def _unknown(name: str) -> InputError:
    return InputError(
        "generator",
        f"must be one of {', '.join(NAMES)}, or stylegan1:, stylegan2:, stylegan3:, pggan:, dcgan: "
        "or torchscript: and a file, toy-text: and a list of prompts, diffusers: or "
        "diffusers-text: and a folder, an .onnx file, or module:object",
        name,
        f"Write torchscript:{name}." if name.endswith(".pt") else "Correct the name.",
    )


def _opened(name: str, device: str, batch_size: int | None) -> Generator:
    """Return the generator of an expanded name."""
    if name == "digiface-dcgan":
        from equipoise.generators.dcgan import digiface_dcgan

        return digiface_dcgan(device, batch_size or 64)
    if name == "toy":
        from equipoise.generators.toy import ToyGenerator

        return ToyGenerator(batch_size=batch_size or 256)
    if name == "toy-text":
        from equipoise.generators.toy_text import ToyTextGenerator

        return ToyTextGenerator(batch_size=batch_size or 256)
    if name.startswith("toy-text:"):
        from equipoise.generators.toy_text import open_toy_text

        return open_toy_text(name, batch_size=batch_size or 256)
    if name.startswith(tuple(f"{family}:" for family in _STYLEGANS)):
        from equipoise.generators.stylegan.open import open_stylegan
        from equipoise.generators.stylegan.options import options_of

        address = parse_address(name)
        return open_stylegan(
            address.file,
            options_of(address.options),
            name=name,
            device=device,
            batch_size=batch_size,
        )
    if name.startswith("dcgan:"):
        from equipoise.generators.dcgan import open_dcgan

        return open_dcgan(parse_address(name), device=device, batch_size=batch_size)
    if name.startswith("diffusers:"):
        from equipoise.generators.diffusion.open import open_diffusion

        return open_diffusion(name, device=device, batch_size=batch_size)
    if name.startswith("diffusers-text:"):
        from equipoise.generators.diffusion.text_generator import open_text_diffusion

        return open_text_diffusion(name, device=device, batch_size=batch_size)
    from equipoise.generators.networks.files import FAMILIES, open_network_file
    from equipoise.generators.networks.modules import entry_point, open_own

    if name.startswith(tuple(f"{family}:" for family in FAMILIES)):
        return open_network_file(parse_address(name), device=device, batch_size=batch_size)
    own = name if ":" in name else entry_point(name)
    if own is not None:
        return open_own(own, device=device, batch_size=batch_size)
    raise _unknown(name)

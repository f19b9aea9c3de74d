"""One's own generators: module:object, and the entry points of installed packages."""

from __future__ import annotations

from importlib.metadata import entry_points

import torch

from equipoise.errors import InputError
from equipoise.generators.address import parse_address
from equipoise.generators.base import Generator
from equipoise.generators.device import check_device
from equipoise.generators.networks.description import describe
from equipoise.generators.networks.differentiable import torch_generator
from equipoise.generators.networks.torch_modules import network_of, weights_of
from equipoise.imported import imported

ENTRY_POINTS = "equipoise.generators"
"""Group of entry points by which a package offers generators under names of its own."""


def entry_point(name: str) -> str | None:
    """Return the `module:object` that an installed package offers under a name; None for none."""
    return next((point.value for point in entry_points(group=ENTRY_POINTS, name=name)), None)


def open_own(uri: str, *, device: str, batch_size: int | None) -> Generator:
    """Return the generator that `module:object?key=value` names.

    Parameters
    ----------
    uri : str
        The object is a generator, a torch module, or a function without arguments that returns one
        of these. Options are those of `Description`, and for torch modules alone;
        "settings=FILE.toml" names a file of them.
    device : str
        A torch module is moved there; a generator must be there.
    batch_size : int, optional
        Codes in one call of a torch module, 64 when not given; a generator has its own.

    Raises
    ------
    InputError
        When it cannot be imported, is neither, or an option does not fit.
    ModelOutputError
        As `NetworkGenerator`.
    """
    address = parse_address(uri)
    plain = f"{address.family}:{address.file}"
    found = imported(plain, "generator", Generator, also=(torch.nn.Module,))  # type: ignore[type-abstract]
    if isinstance(found, torch.nn.Module):
        description = describe(address.options)
        module = found.eval().to(check_device(device))
        network = network_of(plain, module, description.stem, weights_of(module))
        return torch_generator(network, description, device=device, batch_size=batch_size)
    if address.options:
        rule = "must be left out for a generator, which is complete"
        raise InputError(f"options of {plain!r}", rule, uri, "Write module:object alone.")
    for option, given, own in (
        ("device", torch.device(device).type, torch.device(found.device).type),
        ("batch_size", batch_size or found.batch_size, found.batch_size),
    ):
        if given != own:
            raise InputError(
                option,
                f"must be that of the generator, {own}",
                given,
                f"Set it where {plain} is made.",
            )
    return found

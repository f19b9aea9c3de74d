"""One's own generators: module:object, and the entry points of installed packages.

Torch modules as networks: what their weights tell of the codes that they take.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

import torch

from equipoise.core.errors import InputError
from equipoise.core.plugins import imported
from equipoise.generators.address import parse_address
from equipoise.generators.base import Generator
from equipoise.generators.networks.description import describe
from equipoise.generators.networks.generator import torch_generator
from equipoise.generators.networks.probing import Network
from equipoise.runtimes.devices import check_device

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


_FIRST_LAYERS = 8
_USUAL = (512, 128, 100, 256, 64)


def network_of(name: str, module: Any, stem: str, content: bytes) -> Network:
    """Return a module, or a TorchScript module, as a network.

    Parameters
    ----------
    name : str
    module : torch.nn.Module or torch.jit.ScriptModule
        On its device, in evaluation mode; its weights take no gradient from here on.
    stem : str
        Dotted name of a submodule that takes the codes; empty for none.
    content : bytes
        See `Network`.

    Raises
    ------
    InputError
        When there is no such submodule.
    """
    parts = dict(module.named_modules())
    if stem and stem not in parts:
        raise InputError(
            f"stem of {name!r}",
            "must be a submodule that takes the codes",
            stem[:80],
            f"There are: {', '.join(filter(None, parts))[:200] or 'none'}.",
        )
    for weight in module.parameters():
        weight.requires_grad_(False)
    first = parts[stem] if stem else None
    return Network(name, module, _shapes(module.parameters()), content, first)


def weights_of(module: torch.nn.Module) -> bytes:
    """Return the class's name, and each parameter and buffer by its name, as bytes."""
    stream = io.BytesIO(f"{type(module).__module__}.{type(module).__qualname__}".encode())
    stream.seek(0, io.SEEK_END)
    for name, tensor in sorted(module.state_dict().items()):
        stream.write(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        stream.write(flat.view(torch.uint8).numpy().tobytes())
    return stream.getvalue()


def _shapes(parameters: Iterable[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return shapes that codes may have: the sizes of the first weights, then usual ones.

    A linear layer takes its weight's second size, a transposed convolution its first.
    """
    first = [p for p in parameters if p.ndim in (2, 4)][:_FIRST_LAYERS]
    sizes = [size for p in first for size in (p.shape[1], p.shape[0])]
    linear_first = [(size,) for size in dict.fromkeys((*sizes, *_USUAL))]
    return tuple(shape for (size,) in linear_first for shape in ((size,), (size, 1, 1)))

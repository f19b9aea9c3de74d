"""Your own generators: an importable object, or an entry point of an installed package.

The object is a complete generator, or a torch module. The shapes of a module's weights suggest the
shape of its codes.
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
"""Group of entry points by which an installed package provides generators by name."""

_FIRST_LAYERS = 8
"""Weights that are searched for the size of a code: it is near the network's input."""

_USUAL = (512, 128, 100, 256, 64)
"""Sizes of codes that are common among published GANs."""


def entry_point(name: str) -> str | None:
    """Return the `module:object` that an installed package provides under a name, or None."""
    return next((point.value for point in entry_points(group=ENTRY_POINTS, name=name)), None)


def open_own(uri: str, *, device: str, batch_size: int | None) -> Generator:
    """Open the generator at an address "module:object?key=value".

    Parameters
    ----------
    uri : str
        The object is a generator, a torch module, or a function without arguments that returns one
        of these. Options are those of `Description` and apply to torch modules only;
        "settings=FILE.toml" names a file of them.
    device : str
        A torch module is moved there; a generator must already be there.
    batch_size : int, optional
        Codes per call of a torch module, 64 by default; a generator has its own batch size.

    Raises
    ------
    InputError
        When it cannot be imported, is of another kind, or an option does not apply.
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


def network_of(name: str, module: Any, stem: str, content: bytes) -> Network:
    """Return a torch or TorchScript module as a network.

    Parameters
    ----------
    name : str
        See `Network`.
    module : torch.nn.Module or torch.jit.ScriptModule
        On its device, in evaluation mode. Gradients of its weights are switched off.
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
    """Return a module's class name, parameters and buffers as bytes, for its digest."""
    stream = io.BytesIO(f"{type(module).__module__}.{type(module).__qualname__}".encode())
    stream.seek(0, io.SEEK_END)
    for name, tensor in sorted(module.state_dict().items()):
        stream.write(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        stream.write(flat.view(torch.uint8).numpy().tobytes())
    return stream.getvalue()


def _shapes(parameters: Iterable[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return shapes that codes may have: the sizes of the first weights, then common ones.

    The input size of a linear layer is its weight's second, that of a transposed convolution its
    first.
    """
    first = [p for p in parameters if p.ndim in (2, 4)][:_FIRST_LAYERS]
    sizes = [size for p in first for size in (p.shape[1], p.shape[0])]
    return tuple(
        shape for size in dict.fromkeys((*sizes, *_USUAL)) for shape in ((size,), (size, 1, 1))
    )

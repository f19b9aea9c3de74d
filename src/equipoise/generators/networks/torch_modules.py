"""Torch modules as networks: what their weights tell of the codes that they take."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import torch

from equipoise.errors import InputError
from equipoise.generators.networks.look import Network

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

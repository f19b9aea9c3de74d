"""What a network's description leaves out, found by trial calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from equipoise.core.errors import EquipoiseError, InputError, ModelOutputError
from equipoise.generators.networks.description import Description
from equipoise.generators.priors import prior_of

Run = Callable[[torch.Tensor], object]
"""Codes, float32, shape (n, ...), to whatever the network gives."""

_TRIED = 16
_SLACK = 0.1
"""How far over a range a network's output may go, as a share of the range's upper end."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network as it was found.

    Attributes
    ----------
    name : str
        Its address without options.
    run : callable
        See `Run`.
    shapes : tuple of tuple of int
        Shapes that a code may have, the likeliest first.
    content : bytes
        All that decides its output: the file, or its weights.
    stem : callable or None
        Codes to features of the cheap first part.
    """

    name: str
    run: Run
    shapes: tuple[tuple[int, ...], ...]
    content: bytes
    stem: Run | None = None


def images_of(given: object, n: int, name: str) -> torch.Tensor:
    """Return what a network gave as RGB, shape (n, 3, height, width), float32, in its own range.

    Grey is repeated; channels may come last.

    Raises
    ------
    ModelOutputError
        When it is no tensor of n finite pictures.
    """
    good = isinstance(given, torch.Tensor) and given.ndim == 4 and len(given) == n
    if good and given.shape[1] not in (1, 3) and given.shape[3] in (1, 3):  # type: ignore[attr-defined]
        given = given.permute(0, 3, 1, 2)  # type: ignore[attr-defined]
    if not isinstance(given, torch.Tensor) or not good or given.shape[1] not in (1, 3):
        raise ModelOutputError(
            f"answer of generator {name!r}",
            f"must be a tensor of {n} pictures with 1 or 3 channels",
            tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__,
            "Export it so that it takes codes alone and gives pictures alone.",
        )
    if not bool(torch.isfinite(given).all()):
        raise ModelOutputError(
            f"answer of generator {name!r}", "must be finite", "NaN or infinity", "Check its range."
        )
    return given.float().expand(-1, 3, -1, -1)


def probe(network: Network, description: Description, device: torch.device) -> Description:
    """Return the description with shape and range, found where they are left out.

    Raises
    ------
    InputError
        When no shape is found to work, or the output fits no range.
    ModelOutputError
        When the network fails, gives no pictures, or other ones for the same code.
    """
    shapes: Sequence[tuple[int, ...]] = network.shapes
    if description.shape:
        shapes = (description.code_shape,)
    shape, pixels = _first_that_works(network, shapes, description, device)
    again = images_of(network.run(_codes(shape, description, device)), _TRIED, network.name)
    if not torch.allclose(pixels, again, atol=1e-2 * float(pixels.abs().max())):
        raise ModelOutputError(
            f"generator {network.name!r}",
            "must give the same picture for the same code",
            "another at the second call",
            "Export it with its noise fixed, and in evaluation mode.",
        )
    found = description.range or _range(float(pixels.min()), float(pixels.max()), network.name)
    return replace(description, shape="x".join(map(str, shape)), range=found)


def _first_that_works(
    network: Network,
    shapes: Sequence[tuple[int, ...]],
    description: Description,
    device: torch.device,
) -> tuple[tuple[int, ...], torch.Tensor]:
    reason = "none that its weights suggest"
    for shape in shapes:
        try:
            codes = _codes(shape, description, device)
            return shape, images_of(network.run(codes), _TRIED, network.name)
        # A network fails in ways of its own when the shape is not the one that it takes.
        except Exception as error:
            if isinstance(error, EquipoiseError) and len(shapes) == 1:
                raise
            reason = f"{'x'.join(map(str, shape))}: {(str(error).splitlines() or [''])[-1][:200]}"
    raise InputError(
        f"shape of the codes of {network.name!r}",
        "must be one that the network turns into pictures",
        reason,
        "Pass it, as in '?shape=512' or '?shape=100x1x1'.",
    )


def _codes(shape: tuple[int, ...], description: Description, device: torch.device) -> torch.Tensor:
    rows = prior_of(description.prior, math.prod(shape)).codes(0, 0, _TRIED)
    return torch.from_numpy(rows.copy()).to(device).reshape(-1, *shape)


def _range(low: float, high: float, name: str) -> str:
    if low < -_SLACK and max(-low, high) <= 1 + _SLACK:
        return "-1..1"
    if low >= -_SLACK and high <= 1 + _SLACK:
        return "0..1"
    if low >= -255 * _SLACK and 1 + _SLACK < high <= 255 * (1 + _SLACK) and -low < high / 2:
        return "0..255"
    raise InputError(
        f"range of {name!r}",
        "must be told, since pictures fit none",
        f"{low:.3g} to {high:.3g}",
        "Pass '?range=-1..1', 0..1 or 0..255; what lies outside is cut.",
    )

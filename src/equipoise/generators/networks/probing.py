"""Probing: the code shape and output range of a network, found by trial calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from equipoise.core.errors import EquipoiseError, InputError, ModelOutputError
from equipoise.generators.networks.description import Description
from equipoise.generators.priors import prior_of

Run = Callable[[torch.Tensor], object]
"""A function from codes, float32, shape (n, ...), to the network's output."""

_PROBES = 16
"""Codes of a trial call: enough for outputs at both ends of the range. Chosen by hand."""

_SLACK = 0.1
"""Overshoot allowed beyond a range, as a share of its upper end; chosen by hand."""

_REPEATABLE = 1e-2
"""Difference between two calls that counts as rounding, as a share of the largest output: noise is
larger. Chosen by hand."""


@dataclass(frozen=True, eq=False)
class Network:
    """A network of any format.

    Attributes
    ----------
    name : str
        Its address without options.
    run : callable
        See `Run`.
    shapes : tuple of tuple of int
        Shapes that a code may have, the most likely first.
    content : bytes
        All that determines its output: the file, or the weights.
    stem : callable or None
        From codes to the features of the cheap first part.
    """

    name: str
    run: Run
    shapes: tuple[tuple[int, ...], ...]
    content: bytes
    stem: Run | None = None


def images_of(given: object, n: int, name: str) -> torch.Tensor:
    """Return the output of a network as RGB images, in the network's own range.

    Parameters
    ----------
    given : object
        The output. Grey images are repeated; channels may be first or last.
    n : int
        Number of codes.
    name : str
        Name of the generator in errors.

    Returns
    -------
    torch.Tensor, shape (n, 3, height, width), float32

    Raises
    ------
    ModelOutputError
        When it is not a tensor of n finite images.
    """
    valid = isinstance(given, torch.Tensor) and given.ndim == 4 and len(given) == n
    if valid and given.shape[1] not in (1, 3) and given.shape[3] in (1, 3):  # type: ignore[attr-defined]
        given = given.permute(0, 3, 1, 2)  # type: ignore[attr-defined]
    if not isinstance(given, torch.Tensor) or not valid or given.shape[1] not in (1, 3):
        raise ModelOutputError(
            f"output of generator {name!r}",
            f"must be a tensor of {n} images with 1 or 3 channels",
            tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__,
            "Export it with codes as its only input and images as its only output.",
        )
    if not bool(torch.isfinite(given).all()):
        raise ModelOutputError(
            f"output of generator {name!r}", "must be finite", "NaN or infinity", "Check its range."
        )
    return given.float().expand(-1, 3, -1, -1)


def probe(network: Network, description: Description, device: torch.device) -> Description:
    """Return the options with shape and range; those that are not given are found by trial calls.

    Parameters
    ----------
    network : Network
    description : Description
    device : torch.device
        The device of the network's input.

    Raises
    ------
    InputError
        When no shape works, or the output matches no range.
    ModelOutputError
        When the network fails, returns no images, or returns different images for the same code.
    """
    shapes: Sequence[tuple[int, ...]] = network.shapes
    if description.shape:
        shapes = (description.code_shape,)
    shape, pixels = _first_that_works(network, shapes, description, device)
    again = images_of(network.run(_codes(shape, description, device)), _PROBES, network.name)
    if not torch.allclose(pixels, again, atol=_REPEATABLE * float(pixels.abs().max())):
        raise ModelOutputError(
            f"generator {network.name!r}",
            "must return the same image for the same code",
            "another image at the second call",
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
    reason = "none suggested by its weights"
    for shape in shapes:
        try:
            codes = _codes(shape, description, device)
            return shape, images_of(network.run(codes), _PROBES, network.name)
        # With a wrong shape, a network may fail with any exception.
        except Exception as error:
            if isinstance(error, EquipoiseError) and len(shapes) == 1:
                raise
            reason = f"{'x'.join(map(str, shape))}: {(str(error).splitlines() or [''])[-1][:200]}"
    raise InputError(
        f"shape of the codes of {network.name!r}",
        "must be one that the network accepts",
        reason,
        "Add it to the address, as in '?shape=512' or '?shape=100x1x1'.",
    )


def _codes(shape: tuple[int, ...], description: Description, device: torch.device) -> torch.Tensor:
    rows = prior_of(description.prior, math.prod(shape)).codes(0, 0, _PROBES)
    return torch.from_numpy(rows.copy()).to(device).reshape(-1, *shape)


def _range(low: float, high: float, name: str) -> str:
    """Return the name of the range that holds the lowest and the highest output."""
    if low < -_SLACK and max(-low, high) <= 1 + _SLACK:
        return "-1..1"
    if low >= -_SLACK and high <= 1 + _SLACK:
        return "0..1"
    if low >= -255 * _SLACK and 1 + _SLACK < high <= 255 * (1 + _SLACK) and -low < high / 2:
        return "0..255"
    raise InputError(
        f"range of {name!r}",
        "must be given, because the outputs match none",
        f"{low:.3g} to {high:.3g}",
        "Add '?range=-1..1', 0..1 or 0..255 to the address; values outside are clipped.",
    )

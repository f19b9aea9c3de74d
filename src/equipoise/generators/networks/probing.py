"""Probing: the code shape and output range of a network, found by trial calls."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from equipoise.core.errors import EquipoiseError, InputError, ModelOutputError
from equipoise.core.reasons import reason_of
from equipoise.generators.networks.description import Description
from equipoise.generators.priors import prior_of

Run = Callable[[torch.Tensor], object]
"""A function from codes, float32, shape (n, ...), to the network's output."""

_PROBES = 16
"""Codes of a trial call: enough for outputs at both ends of the range. Chosen by hand."""

_SLACK = 0.1
"""Overshoot allowed beyond a range, as a share of its upper end; chosen by hand."""

_SIZES = re.compile(r"shape|size|dimension|channel|multipl|\b\dD\b", re.IGNORECASE)
"""Words by which a network's error speaks of the shape of its input."""


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
        The output, or a tuple that begins with it. Grey images are repeated; channels may be first
        or last.
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
    first: Any = given[0] if isinstance(given, tuple | list) and given else given
    valid = isinstance(first, torch.Tensor) and first.ndim == 4 and len(first) == n
    if valid and first.shape[1] not in (1, 3) and first.shape[3] in (1, 3):
        first = first.permute(0, 3, 1, 2)
    if not valid or first.shape[1] not in (1, 3):
        raise ModelOutputError(
            f"output of generator {name!r}",
            f"must be a tensor of {n} images with 1 or 3 channels, or begin with one",
            _described(given),
            f"Export it so that it returns images of shape ({n}, channels, height, width) for {n} "
            "codes, its only input.",
        )
    if not bool(torch.isfinite(first).all()):
        raise ModelOutputError(
            f"output of generator {name!r}", "must be finite", "NaN or infinity", "Check its range."
        )
    images: torch.Tensor = first.float().expand(-1, 3, -1, -1)
    return images


def _described(given: object) -> str:
    """Return what an output is, for an error.

    Examples
    --------
    >>> _described((torch.zeros(2, 3), {"image": 1}, None))
    "a tuple of (2, 3), a dict of 'image', NoneType"
    """
    if isinstance(given, torch.Tensor):
        return str(tuple(given.shape))
    if isinstance(given, dict):
        return f"a dict of {', '.join(map(repr, given))}"
    if isinstance(given, tuple | list):
        return f"a {type(given).__name__} of {', '.join(map(_described, given)) or 'nothing'}"
    return type(given).__name__


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
        When the network fails, or returns no images.
    """
    shapes: Sequence[tuple[int, ...]] = network.shapes
    if description.shape:
        shapes = (description.code_shape,)
    shape, pixels = _first_that_works(network, shapes, description, device)
    found = description.range or _range(float(pixels.min()), float(pixels.max()), network.name)
    return replace(description, shape=_text(shape), range=found)


def _first_that_works(
    network: Network,
    shapes: Sequence[tuple[int, ...]],
    description: Description,
    device: torch.device,
) -> tuple[tuple[int, ...], torch.Tensor]:
    failed: list[tuple[tuple[int, ...], Exception]] = []
    for shape in shapes:
        try:
            codes = _codes(shape, description, device)
            return shape, images_of(network.run(codes), _PROBES, network.name)
        # With a wrong shape, a network may fail with any exception.
        except Exception as error:
            failed.append((shape, error))
    # The attempt that got farthest: through the network, or to a fault that is not the shape's.
    for _, fault in failed:
        if isinstance(fault, EquipoiseError):
            raise fault
    for shape, fault in failed:
        if not _SIZES.search(reason := reason_of(fault)):
            raise ModelOutputError(
                f"generator {network.name!r}",
                f"must run on codes of shape {_text(shape)}",
                reason,
                "Export it with codes as its only input.",
            ) from fault
    raise InputError(
        f"shape of the codes of {network.name!r}",
        "must be one that the network accepts",
        f"{_text(failed[0][0])}: {reason_of(failed[0][1])}"
        if failed
        else "none suggested by its weights",
        "Add it to the address, as in '?shape=512' or '?shape=100x1x1'.",
    )


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


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

"""Views on a row of numbers, by sizes and strides that a foreign file tells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch

MOST_BYTES = 4 * 2**30
"""Of the tensors of one file."""

_MOST_DIMENSIONS = 8
_MOST_NUMBERS = 2**32


def checked_view(
    flat: torch.Tensor, size: Sequence[int], stride: Sequence[int], offset: int
) -> torch.Tensor:
    """Return a copy of the view that sizes, strides and offset give on a row of numbers.

    Raises
    ------
    ValueError
        When they are no whole numbers, or the row does not hold the view.

    Examples
    --------
    >>> checked_view(torch.arange(6), (2, 2), (3, 1), 1).tolist()
    [[1, 2], [4, 5]]
    """
    numbers = (offset, *size, *stride)
    # Numbers first: other values may be nested so that their text never ends.
    if not all(type(n) is int and 0 <= n <= _MOST_NUMBERS for n in numbers):
        raise ValueError("a tensor without sizes and strides")
    if len(size) != len(stride) or len(size) > _MOST_DIMENSIONS:
        raise ValueError(f"sizes {tuple(size)} with strides {tuple(stride)}"[:200])
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = math.prod(size)
    # A view may repeat numbers without end by a stride of 0.
    if count > len(flat) or (count and last >= len(flat)):
        raise ValueError(f"a view of {tuple(size)} at {offset} of {len(flat)} numbers")
    return torch.as_strided(flat, tuple(size), tuple(stride), offset).clone()


def bounded(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield named tensors on, of `MOST_BYTES` in all: many may be copies of one small storage.

    Raises
    ------
    ValueError
        When they are more.
    """
    held = 0
    for name, tensor in tensors:
        held += tensor.numel() * tensor.element_size()
        if held > MOST_BYTES:
            raise ValueError("4 GiB of tensors or more")
        yield name, tensor

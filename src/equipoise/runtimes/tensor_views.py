"""Tensors as views of a flat row of numbers, by sizes and strides from an untrusted file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch

MOST_BYTES = 4 * 2**30
"""Limit on the tensors of one file, in bytes; chosen by hand."""

_MOST_DIMENSIONS = 8
"""Limit on the dimensions of a tensor, chosen by hand."""

_MOST_NUMBERS = 2**32
"""Limit on a size, a stride or an offset: more than the numbers in `MOST_BYTES`."""


def checked_view(
    flat: torch.Tensor, size: Sequence[int], stride: Sequence[int], offset: int
) -> torch.Tensor:
    """Return a copy of the view of a flat row of numbers by sizes, strides and an offset.

    Parameters
    ----------
    flat : torch.Tensor, shape (count,)
    size, stride : sequence of int
        Of equal length, at most 8.
    offset : int

    Raises
    ------
    ValueError
        When they are not whole numbers, or the view exceeds the row.

    Examples
    --------
    >>> checked_view(torch.arange(6), (2, 2), (3, 1), 1).tolist()
    [[1, 2], [4, 5]]
    """
    numbers = (offset, *size, *stride)
    # Types are checked first, because the text of a nested value may be endless.
    if not all(type(n) is int and 0 <= n <= _MOST_NUMBERS for n in numbers):
        raise ValueError("a tensor without sizes and strides")
    if len(size) != len(stride) or len(size) > _MOST_DIMENSIONS:
        raise ValueError(f"sizes {tuple(size)} with strides {tuple(stride)}"[:200])
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    count = math.prod(size)
    # A stride of 0 repeats numbers, so a small row could give a view of any size.
    if count > len(flat) or (count and last >= len(flat)):
        raise ValueError(f"a view of {tuple(size)} at {offset} of {len(flat)} numbers")
    return torch.as_strided(flat, tuple(size), tuple(stride), offset).clone()


def bounded(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Pass on named tensors, up to `MOST_BYTES` in total.

    The limit is needed because many tensors may be copies of one small storage.

    Raises
    ------
    ValueError
        When they exceed the limit.
    """
    total = 0
    for name, tensor in tensors:
        total += tensor.numel() * tensor.element_size()
        if total > MOST_BYTES:
            raise ValueError("4 GiB of tensors or more")
        yield name, tensor

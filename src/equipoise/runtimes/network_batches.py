"""Networks that take a fixed number of rows, called for any number; and outputs by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NamedColumns:
    """An output whose columns a file names, as ZipMap of ONNX does.

    Attributes
    ----------
    names : tuple of str
    values : numpy.ndarray, shape (n, columns)
    """

    names: tuple[str, ...]
    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self.values.shape


def in_batches(
    run: Callable[[NDArray[Any]], list[Any]], pixels: NDArray[Any], rows: int
) -> list[Any]:
    """Return the outputs of a network that takes `rows` rows at a time, for all rows.

    The last batch is filled up with its first row.

    Parameters
    ----------
    run : callable
        Returns outputs of `rows` rows each: arrays, or lists.
    pixels : numpy.ndarray, shape (n, ...)
        At least one row.
    rows : int
    """
    parts = []
    for i in range(0, len(pixels), rows):
        part = pixels[i : i + rows]
        filled = np.concatenate([part, np.repeat(part[:1], rows - len(part), axis=0)])
        parts.append([output[: len(part)] for output in run(filled)])
    return [
        np.concatenate(outputs)
        if isinstance(outputs[0], np.ndarray)
        else [row for output in outputs for row in output]
        for outputs in zip(*parts, strict=True)
    ]


class AnyRows:
    """A network called for any number of rows, whatever number its file fixes.

    Some files fix it without saying so, in a reshape for instance: where a call for all rows fails,
    or returns other rows, the network is called for `fallback` rows at a time.

    Parameters
    ----------
    call : callable
        The network, for as many rows as it takes.
    rows : int or None
        Rows that the file says it takes; None for any.
    fallback : int
        Rows that it takes when it does not take any number.
    """

    def __init__(
        self,
        call: Callable[[NDArray[Any]], list[Any]],
        rows: int | None = None,
        fallback: int = 1,
    ) -> None:
        self._call, self._rows, self._fallback = call, rows, fallback

    def __call__(self, pixels: NDArray[Any]) -> list[Any]:
        """Return the outputs for all rows, at least one.

        Raises
        ------
        Exception
            The network's own, for all rows at once.
        """
        if self._rows is not None:
            return in_batches(self._call, pixels, self._rows)
        try:
            outputs = self._call(pixels)
            if _rows_agree(outputs, len(pixels)):
                return outputs
        except Exception:
            if (found := self._in_parts(pixels)) is None:
                raise
            return found
        return self._in_parts(pixels) or outputs

    def _in_parts(self, pixels: NDArray[Any]) -> list[Any] | None:
        """Return the outputs for a few rows at a time, or None where that fails as well."""
        if len(pixels) == self._fallback:
            return None
        try:
            found = in_batches(self._call, pixels, self._fallback)
        except Exception:
            return None
        if not _rows_agree(found, len(pixels)):
            return None
        self._rows = self._fallback
        return found


def _rows_agree(outputs: list[Any], rows: int) -> bool:
    """Return whether every output has a row for each row of the input."""
    return all(np.ndim(output) > 0 and len(output) == rows for output in outputs)

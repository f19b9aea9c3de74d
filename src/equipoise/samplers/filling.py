"""Where verified draws stand: where they go on, and what they still miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.numbers import percent
from equipoise.samplers.statements import ATTEMPTS

if TYPE_CHECKING:
    from equipoise.samplers.shared import SharedCandidates

_LEAST_ATTEMPTS = 2000


@dataclass(frozen=True, eq=False)
class Position:
    """Where verified draws go on.

    Attributes
    ----------
    shared : numpy.ndarray, shape (K,), int64
        Number of the next candidate for each cell, of those that the cells share.
    alone : numpy.ndarray, shape (K,), int64
        Next index of the draws of each cell alone.
    """

    shared: NDArray[np.int64]
    alone: NDArray[np.int64]

    @classmethod
    def first(cls, grid: AttributeGrid) -> Position:
        """Return where draws begin."""
        return cls(np.zeros(grid.size, np.int64), np.zeros(grid.size, np.int64))

    def after(self, index: int, cell: int) -> Position:
        """Return the position after a draw of this index and cell as well."""
        shared, alone = self.shared.copy(), self.alone.copy()
        if index < 0:
            shared[cell] = max(shared[cell], -index)
        else:
            alone[cell] = max(alone[cell], index + 1)
        return Position(shared, alone)


def shared_part(shared: SharedCandidates | None, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of the wanted images come from shared candidates, shape (K,)."""
    return np.zeros_like(counts) if shared is None else np.where(shared.cells, counts, 0)


def most_attempts(wanted: NDArray[np.int64] | int, attempts: int) -> NDArray[np.int64]:
    """Return the calls after which a cell is given up that is to give so many images."""
    return np.asarray(np.maximum(attempts * np.asarray(wanted), _LEAST_ATTEMPTS))


@dataclass(eq=False)
class Filling:
    """Which images of shared candidates are delivered: the first ones of each cell.

    Attributes
    ----------
    grid : AttributeGrid
    missing : numpy.ndarray, shape (K,), int64
        Images that each cell still misses; counted down.
    attempts : int
        As for `equipoise.samplers.verified.verified`.
    """

    grid: AttributeGrid
    missing: NDArray[np.int64]
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        self._wanted, self.missing = self.missing, self.missing.copy()
        self._limits = most_attempts(self._wanted, self.attempts)
        self._tried = np.zeros_like(self.missing)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which cells miss images, shape (K,)."""
        return self.missing > 0

    def take(
        self, cells: NDArray[np.int64], serves: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], int]:
        """Return the rows to deliver of the next images, and the calls that were needed for them.

        Images that were made before it was known that a cell is full are not counted as needed.

        Parameters
        ----------
        cells : numpy.ndarray, shape (n,), int64
            Cell that keeps the image, -1 for none.
        serves : numpy.ndarray, shape (n, K), bool
            Of the candidates.
        """
        rows, calls, row = [], 0, 0
        while row < len(cells) and self.open.any() and not self._given_up.any():
            # Nothing changes up to the row with which a cell is full or given up.
            is_open = self.open
            delivered = (cells[row:, None] == np.arange(self.grid.size)) & is_open
            tried = serves[row:] & is_open
            ends = (delivered.cumsum(axis=0) == self.missing) & is_open
            ends |= (self._tried + tried.cumsum(axis=0) >= self._limits) & is_open
            stop = int(ends.any(axis=1).argmax()) + 1 if ends.any() else len(delivered)
            self.missing -= delivered[:stop].sum(axis=0)
            self._tried += tried[:stop].sum(axis=0)
            rows.append(row + np.flatnonzero(delivered[:stop].any(axis=1)))
            calls += int(tried[:stop].any(axis=1).sum())
            row += stop
        return np.concatenate([*rows, np.zeros(0, np.int64)]), calls

    @property
    def _given_up(self) -> NDArray[np.bool_]:
        return self.open & (self._tried >= self._limits)

    def check(self) -> None:
        """Raise where a cell that misses images was tried too often.

        Raises
        ------
        InsufficientLabelsError
            It names the cell with its purity.
        """
        if self._given_up.any():
            raise self.failure(int(self._given_up.argmax()))

    def failure(self, cell: int) -> InsufficientLabelsError:
        """Return the error that gives a cell up."""
        wanted, limit = int(self._wanted[cell]), int(self._limits[cell])
        have, tried = wanted - int(self.missing[cell]), int(self._tried[cell])
        return too_few(self.grid.cells[cell], wanted, limit, have, tried)


def too_few(cell: str, wanted: int, limit: int, have: int, calls: int) -> InsufficientLabelsError:
    """Return the error of a cell that gave too few verified images."""
    return InsufficientLabelsError(
        f"cell {cell!r}",
        f"must give {wanted} verified images within {limit:,} calls",
        f"{have} of {calls:,} calls, a purity of {percent(have / max(calls, 1), 2)}",
        "Label more codes, ask for fewer, or leave the cell out of the target.",
    )

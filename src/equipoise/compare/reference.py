"""Balanced references: images of labelled codes of the prior, selected by rejection."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.generators.base import Generator
from equipoise.measure.features.base import JoinedFeatures
from equipoise.measure.references import Pictures, see_codes

MOST = 4
"""Largest number of disjoint references: the mean distance between them is less noisy than one."""


def check_size(n: int, grid: AttributeGrid) -> None:
    """Check that a reference has at least one image per cell.

    Raises
    ------
    InsufficientLabelsError
        When n is smaller than the number of cells.
    """
    if n < grid.size:
        raise InsufficientLabelsError(
            "measure_n",
            f"must be at least one for each of {grid.size} cells",
            n,
            "Raise --measure-n.",
        )


@dataclass(frozen=True, eq=False)
class Pool:
    """A large set of labelled codes of the prior, from which balanced references are selected.

    The last third is never part of a reference: methods may take candidates from it.

    Attributes
    ----------
    generator : Generator
    labels : Labels
        Of codes 0, 1, ... of the seed.
    seed : int
    n : int
        Requested images per reference.
    features : JoinedFeatures
        Features for distances; coverage uses the first.
    """

    generator: Generator
    labels: Labels
    seed: int
    n: int
    features: JoinedFeatures
    _seen: dict[str, tuple[Pictures, ...]] = field(default_factory=dict, repr=False)

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Indices of the codes that are part of no reference, shape (m,)."""
        return np.arange(self._split, len(self.labels))

    @property
    def _split(self) -> int:
        return -(-2 * len(self.labels) // 3)

    def references(self, grid: AttributeGrid) -> int:
        """Return the number of disjoint references, at least 2 and at most `MOST`.

        Raises
        ------
        InsufficientLabelsError
            When a cell has fewer than two codes in the pool, or `n` is less than one per cell.
        """
        own = self._for_references(grid)
        return min(MOST, min(map(len, own)) // self._each(grid, own))

    def balanced(self, grid: AttributeGrid, number: int) -> NDArray[np.int64]:
        """Return the indices of the codes of reference `number`, equally many of each cell.

        Raises
        ------
        InsufficientLabelsError
            When a cell has fewer than two codes in the pool, or `n` is less than one per cell.
        """
        own = self._for_references(grid)
        each = self._each(grid, own)
        return np.concatenate([rows[number * each : (number + 1) * each] for rows in own])

    def picture(
        self, panel: ClassifierPanel, codes: NDArray[np.float32], workers: int | None = None
    ) -> Pictures:
        """Generate, label and featurise codes, batch by batch on all cores."""
        return see_codes(
            Models(self.generator, panel),
            codes,
            self.features,
            execution=Execution(workers=workers),
        )

    def pictures(self, panel: ClassifierPanel, workers: int | None = None) -> tuple[Pictures, ...]:
        """Return all references for a panel's cells; computed once per panel.

        Raises
        ------
        InsufficientLabelsError
            When a cell has fewer than two codes in the pool, or `n` is less than one per cell.
        """
        if panel.digest not in self._seen:
            grid = panel.grid
            self._seen[panel.digest] = tuple(
                self.picture(panel, self.codes(self.balanced(grid, i)), workers)
                for i in range(self.references(grid))
            )
        return self._seen[panel.digest]

    def calls(self, grid: AttributeGrid) -> float:
        """Return the generator calls per image of a reference, by rejection."""
        return len(self.labels) / min(map(len, self.own(grid))) / grid.size

    def codes(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return codes of the pool by index, in increasing order, shape (n, dim), float32."""
        rows = [self.generator.prior.codes(self.seed, int(i), int(i) + 1) for i in np.sort(index)]
        return np.concatenate(rows)

    def _each(self, grid: AttributeGrid, own: list[NDArray[np.int64]]) -> int:
        """Return the images per cell of a reference, such that the pool has two references."""
        check_size(self.n, grid)
        rarest = int(np.argmin([len(rows) for rows in own]))
        if len(own[rarest]) < 2:
            raise InsufficientLabelsError(
                f"cell {grid.cells[rarest]!r} of the pool",
                "must have at least 2 codes",
                len(own[rarest]),
                "Raise --pool.",
            )
        return min(self.n // grid.size, len(own[rarest]) // 2)

    def own(self, grid: AttributeGrid) -> list[NDArray[np.int64]]:
        """Return the indices of the codes of each cell, in increasing order."""
        cells = self.labels.restricted(grid).cells
        return [np.flatnonzero(cells == k) for k in range(grid.size)]

    def _for_references(self, grid: AttributeGrid) -> list[NDArray[np.int64]]:
        return [rows[rows < self._split] for rows in self.own(grid)]

"""References of the target's mix: images of labelled codes of the prior, selected by rejection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.measure.features.base import JoinedFeatures
from equipoise.measure.references import Pictures, see_codes

MOST = 4
"""Largest number of disjoint references: means over several are less noisy than over one."""


def check_size(n: int, target: Target) -> None:
    """Check that a reference of n images has at least one per cell.

    Raises
    ------
    InputError
        When the target wants nothing of a cell.
    InsufficientLabelsError
        When n is too small.
    """
    shares = target.shares
    if shares.min() == 0:
        cell = target.grid.cells[int(shares.argmin())]
        raise InputError(
            "target", "must want every cell to compare", f"0 of {cell!r}", "Give it a share."
        )
    if (least := math.ceil(1 / shares.min() - 1e-9)) > n:
        raise InsufficientLabelsError(
            "measure_n",
            f"must be at least {least}, for one image of each of {len(shares)} cells",
            n,
            "Raise --measure-n.",
        )


@dataclass(frozen=True, eq=False)
class Pool:
    """A large set of labelled codes of the prior, from which references are selected.

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
    _seen: dict[tuple[str, bytes], tuple[Pictures, ...]] = field(default_factory=dict, repr=False)

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Indices of the codes that are part of no reference, shape (m,)."""
        return np.arange(self._split, len(self.labels))

    @property
    def _split(self) -> int:
        return -(-2 * len(self.labels) // 3)

    def references(self, target: Target) -> int:
        """Return the number of disjoint references, at least 2 and at most `MOST`.

        Raises
        ------
        InputError, InsufficientLabelsError
            When a cell has fewer than two codes in the pool, or as for `check_size`.
        """
        own = self._for_references(target.grid)
        return min(MOST, *(len(rows) // each for rows, each in self._counted(target, own)))

    def reference(self, target: Target, number: int) -> NDArray[np.int64]:
        """Return the indices of the codes of reference `number`, cells in the target's shares.

        Raises
        ------
        InputError, InsufficientLabelsError
            When a cell has fewer than two codes in the pool, or as for `check_size`.
        """
        counted = self._counted(target, self._for_references(target.grid))
        return np.concatenate([rows[number * m : (number + 1) * m] for rows, m in counted])

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

    def pictures(
        self, panel: ClassifierPanel, target: Target, workers: int | None = None
    ) -> tuple[Pictures, ...]:
        """Return all references for a panel's cells; computed once for a panel and a target.

        Raises
        ------
        InputError, InsufficientLabelsError
            As for `references`.
        """
        key = panel.digest, target.shares.tobytes()
        if key not in self._seen:
            self._seen[key] = tuple(
                self.picture(panel, self.codes(self.reference(target, i)), workers)
                for i in range(self.references(target))
            )
        return self._seen[key]

    def calls(self, target: Target) -> float:
        """Return the calls per image of the target by rejection, until all cells are full.

        An image serves whichever cell it is of.
        """
        found = np.array([len(rows) for rows in self.own(target.grid)]) / len(self.labels)
        return float((target.shares / found).max())

    def codes(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return codes of the pool by index, in increasing order, shape (n, dim), float32."""
        rows = [self.generator.prior.codes(self.seed, int(i), int(i) + 1) for i in np.sort(index)]
        return np.concatenate(rows)

    def _counted(
        self, target: Target, own: list[NDArray[np.int64]]
    ) -> list[tuple[NDArray[np.int64], int]]:
        """Return the rows of each cell, and its images in one of at least two references."""
        check_size(self.n, target)
        # The whole reference is so large that each cell's part of it is there twice.
        largest = [len(rows) // 2 / share for rows, share in zip(own, target.shares, strict=True)]
        counts = np.floor(min(self.n, *largest) * target.shares + 1e-9).astype(np.int64)
        if not counts.all():
            scarce = int(np.argmin(largest))
            raise InsufficientLabelsError(
                f"cell {target.grid.cells[scarce]!r} of the pool",
                f"must have at least {2 * math.ceil(target.shares[scarce] / target.shares.min())} "
                "codes",
                len(own[scarce]),
                "Raise --pool.",
            )
        return list(zip(own, counts.tolist(), strict=True))

    def own(self, grid: AttributeGrid) -> list[NDArray[np.int64]]:
        """Return the indices of the codes of each cell, in increasing order."""
        cells = self.labels.restricted(grid).cells
        return [np.flatnonzero(cells == k) for k in range(grid.size)]

    def _for_references(self, grid: AttributeGrid) -> list[NDArray[np.int64]]:
        return [rows[rows < self._split] for rows in self.own(grid)]

"""Whether what a target wants occurs at all, and how many labels it would take to know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.numbers import percent
from equipoise.core.targets import Target

_ENOUGH = 30
"""Labelled images of a level that are asked for, chosen by hand: folds and tests divide them."""

_CONFIDENCE = 0.95


def check_levels(labels: Labels, target: Target) -> None:
    """Check that each level that the target wants occurs among labels of the prior.

    Where it does not, nothing shows where to look for its cells.

    Raises
    ------
    InsufficientLabelsError
        When one does not. The error names its first cell, the largest share that the labels allow
        (Clopper and Pearson 1934: 1 - 0.05^(1/n) for none of n) and the labels that would give 30
        images of it at that share.
    """
    grid, n = target.grid, len(labels)
    for a, attribute in enumerate(grid.attributes):
        wanted = grid.marginal(target.shares, attribute.name)
        seen = labels.levels[:, labels.grid.attribute(attribute.name)]
        for level in np.flatnonzero(wanted).tolist():
            if (seen == level).any():
                continue
            name = f"{attribute.name}={attribute.levels[level]}"
            first = np.flatnonzero((grid.levels[:, a] == level) & (target.shares > 0))[0]
            raise _never(grid.cells[first], name, float(wanted[level]), n)


def check_cells(counts: Sequence[int], n: int, target: Target) -> None:
    """Check that each cell that the target wants occurs among the labels, directed ones included.

    Parameters
    ----------
    counts : sequence of int, shape (K,)
        Labelled images of each cell.
    n : int
        Labels of the prior among them, which bound the share of a cell.
    target : Target

    Raises
    ------
    InsufficientLabelsError
        As `check_levels`.
    """
    for k in np.flatnonzero(target.shares).tolist():
        if not counts[k]:
            cell = target.grid.cells[k]
            raise _never(cell, cell, float(target.shares[k]), n)


def _never(cell: str, what: str, wanted: float, n: int) -> InsufficientLabelsError:
    most = 1 - (1 - _CONFIDENCE) ** (1 / n)
    return InsufficientLabelsError(
        f"cell {cell!r}",
        f"must occur among the labelled images, since the target gives {what} {percent(wanted)}",
        f"none of {n:,}, so that its share is under {percent(most, 3)} with 95 % confidence",
        f"At that share {_ENOUGH} images of it take {_ENOUGH / most:,.0f} such labels, and more "
        f"below it: raise --n {_ENOUGH / most / n:.0f}-fold, give it the share 0 with --target, or "
        "use a generator that makes such images.",
    )

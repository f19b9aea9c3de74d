"""How much of a gap in errors could be the reference's own: bounds, and a tipping point.

A model M is set against a reference R, which itself errs against the truth T. With
d = P(M != R) and e = P(R != T), the model's true error t = P(M != T) lies in

    |d - e| <= t <= min(1, d + e)

by the triangle inequality, whatever M and R have in common; without knowing more, both ends can
be reached for two levels while d + e <= 1. So of a gap d_a - d_b at least d_a - d_b - (e_a + e_b)
is the model's, and references that err on e_a + e_b >= d_a - d_b can explain it all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.records import read_record
from equipoise.measure.error_matrix import ErrorMatrix
from equipoise.measure.people.judgement import AnnotationResult
from equipoise.stats.intervals import exact_bounds

PEOPLE = "people"
"""The judge whose word is taken for the truth."""


@dataclass(frozen=True, eq=False)
class ReferenceErrors:
    """How often the reference was wrong on judged images of each cell.

    Attributes
    ----------
    groups : AttributeGrid
        The attributes that make the K cells.
    wrong, judged : numpy.ndarray, shape (K,), int64
    judge : str
        Who judged, as reports call it.
    """

    grid: AttributeGrid
    wrong: NDArray[np.int64]
    judged: NDArray[np.int64]
    judge: str = PEOPLE


def errors_of_reference(matrix: ErrorMatrix, grid: AttributeGrid) -> ReferenceErrors:
    """Count the reference's errors in each cell that it answered.

    Parameters
    ----------
    matrix : ErrorMatrix
        Of the audited attribute, its answers on all attributes of `grid` at once, as
        `equipoise.measure.people.judgement.judge` makes them. An answer with an abstention is left
        out.
    groups : AttributeGrid

    Raises
    ------
    InputError
        When an answer names other attributes or levels.
    """
    wrong, judged = np.zeros(grid.size, np.int64), np.zeros(grid.size, np.int64)
    for column, answer in enumerate(matrix.answers):
        level = int(matrix.meant[column])
        if level == UNKNOWN or f"={UNKNOWN_NAME}" in answer:
            continue
        cell = grid.index(answer)
        total = int(matrix.counts[:, column].sum())
        judged[cell] += total
        wrong[cell] += total - int(matrix.counts[level, column])
    return ReferenceErrors(grid, wrong, judged)


def departures(
    truth: NDArray[np.int8],
    second: NDArray[np.int8],
    grid: AttributeGrid,
    cells: NDArray[np.int64],
    judge: str,
) -> ReferenceErrors:
    """Count where a second reference departs from the first, in each cell.

    At each such image one of the two errs, so these are the first one's errors where the second
    makes none, and more than those where it does. Errors that both make alike are not seen: that
    is where this misleads.

    Parameters
    ----------
    truth, second : numpy.ndarray, shape (n,), int8
        Levels by the two; negative where one has none, which counts nowhere.
    groups : AttributeGrid
    cells : numpy.ndarray, shape (n,), int64
    judge : str
        The second one's name.
    """
    both = (truth >= 0) & (second >= 0)
    return ReferenceErrors(
        grid,
        np.bincount(cells[both & (truth != second)], minlength=grid.size),
        np.bincount(cells[both], minlength=grid.size),
        judge,
    )


def read_errors(path: Path, attribute: str, grid: AttributeGrid) -> ReferenceErrors:
    """Read what `equipoise label import --json FILE` says of an attribute's errors.

    Raises
    ------
    FileFormatError
        When the file is missing, too large, damaged, or tells nothing of the attribute.
    InputError
        When its answers are on other attributes than those of `grid`.
    """
    remedy = "Make it with `equipoise label import --json`."
    told = read_record(path, AnnotationResult, remedy, what="judged images")
    for matrix in told.errors:
        if all(name.startswith(f"{attribute}=") and "," not in name for name in matrix.levels):
            return errors_of_reference(matrix, grid)
    raise FileFormatError(
        f"judged images {path}",
        "must hold errors of the audited attribute",
        f"nothing of {attribute}",
        remedy,
    )


def error_of_group(
    errors: ReferenceErrors, name: str, images: ArrayLike, compared: int
) -> tuple[float, float]:
    """Return the reference's error rate in a group of cells, and its upper bound.

    Both are means over the group's cells, weighted by images. The bound is made of Clopper and
    Pearson's upper bounds of the cells, which hold together over all groups compared (Bonferroni);
    that of a cell without judged images is 1.

    Parameters
    ----------
    errors : ReferenceErrors
    name : str
        The group, as "skin_tone=dark" or a cell: all cells with these levels.
    images : array_like of int, shape (K,)
        Images of each cell; some in the group.
    compared : int
        How many groups are compared.

    Returns
    -------
    rate, bound : float
        In [0, 1]; the rate is NaN where a cell of the group has no judged image.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute
    >>> grid = AttributeGrid(
    ...     (Attribute("hat", ("no", "yes")), Attribute("age", ("young", "old")))
    ... )
    >>> errors = ReferenceErrors(grid, np.array([5, 0, 1, 1]), np.full(4, 100))
    >>> rate, bound = error_of_group(errors, "hat=no", [50, 50, 50, 50], 2)
    >>> rate, round(bound, 3)
    (0.025, 0.083)
    """
    counts, inside = np.asarray(images, np.float64), np.ones(errors.grid.size, np.bool_)
    for item in name.split(", "):
        attribute, _, level = item.partition("=")
        a = errors.grid.attribute(attribute)
        inside &= errors.grid.levels[:, a] == errors.grid.attributes[a].level(level)
    there = np.flatnonzero(inside & (counts > 0))
    shares = counts[there] / counts[there].sum()
    wrong, judged = errors.wrong[there], errors.judged[there]
    bounds, seen = np.ones(len(there)), judged > 0
    # Twice the error, for only the upper of two bounds is used.
    error = 2 * (1 - CONFIDENCE) / (compared * len(there))
    bounds[seen] = exact_bounds(wrong[seen], judged[seen], error)[1]
    rate = float((shares * wrong / judged).sum()) if seen.all() else np.nan
    return rate, float((shares * bounds).sum())


def true_gap(difference: Estimate, errors: Sequence[float]) -> Estimate:
    """Return the bounds of a gap between two groups' true errors.

    Parameters
    ----------
    difference : Estimate
        Of their disagreements with the reference, with its interval.
    errors : sequence of float
        The reference's error rate in both groups, or upper bounds of them.

    Returns
    -------
    Estimate
        The value is the gap of disagreements; low and high are its interval, wider by the
        reference's errors; in [-1, 1].

    Examples
    --------
    >>> found = true_gap(Estimate(0.15, 0.10, 0.20), [0.02, 0.03])
    >>> round(found.low, 2), round(found.high, 2)
    (0.05, 0.25)
    """
    slack = sum(errors)
    return Estimate(
        difference.value, max(difference.low - slack, -1.0), min(difference.high + slack, 1.0)
    )


def tipping_point(difference: Estimate) -> Estimate:
    """Return the reference's error rate in each of two groups that would explain their gap away.

    Half of the gap; half of its lower end already leaves room for 0.

    Examples
    --------
    >>> tipping_point(Estimate(0.15, 0.10, 0.20)).value
    0.075
    """
    return Estimate(difference.value / 2, difference.low / 2, difference.high / 2)

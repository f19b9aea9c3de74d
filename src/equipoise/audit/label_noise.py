"""Label noise: how much of a gap in errors may be caused by errors of the reference.

A model M is compared with a reference R, which itself differs from the truth T. With d = P(M != R)
and e = P(R != T), the model's true error t = P(M != T) lies in

    |d - e| <= t <= min(1, d + e)

by the triangle inequality, for any dependence between M and R. For two levels and d + e <= 1 both
ends can be reached. So at least d_a - d_b - (e_a + e_b) of a gap d_a - d_b is due to the model.
When e_a + e_b >= d_a - d_b, errors of the reference can explain the whole gap.
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
"""The judge whose labels count as the truth."""


@dataclass(frozen=True, eq=False)
class ReferenceErrors:
    """Errors of the reference among judged images, cell by cell.

    Attributes
    ----------
    grid : AttributeGrid
        The attributes of the K cells.
    wrong, judged : numpy.ndarray, shape (K,), int64
        Errors of the reference, and judged images.
    judge : str
        What judged the reference, as reports name it.
    """

    grid: AttributeGrid
    wrong: NDArray[np.int64]
    judged: NDArray[np.int64]
    judge: str = PEOPLE


def errors_of_reference(matrix: ErrorMatrix, grid: AttributeGrid) -> ReferenceErrors:
    """Count the reference's errors in each cell that it predicted.

    Parameters
    ----------
    matrix : ErrorMatrix
        Errors on the audited attribute. Its predictions are cells of `grid`, as in the results of
        `equipoise.measure.people.judgement`; those with an abstention are left out.
    grid : AttributeGrid

    Raises
    ------
    InputError
        When a prediction has other attributes or levels.
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
    """Count the images on which a second reference differs from the first, cell by cell.

    On each such image one of the two is wrong. The counts equal the first one's errors if the
    second is always right, and overestimate them otherwise. They miss errors that both share, which
    is where they mislead.

    Parameters
    ----------
    truth, second : numpy.ndarray, shape (n,), int8
        Levels by the first and the second reference; images with a negative level are left out.
    grid : AttributeGrid
    cells : numpy.ndarray, shape (n,), int64
    judge : str
        Name of the comparison in reports.
    """
    both = (truth >= 0) & (second >= 0)
    return ReferenceErrors(
        grid,
        np.bincount(cells[both & (truth != second)], minlength=grid.size),
        np.bincount(cells[both], minlength=grid.size),
        judge,
    )


def read_errors(path: Path, attribute: str, grid: AttributeGrid) -> ReferenceErrors:
    """Read the errors of an attribute from a file of `equipoise label import --json FILE`.

    Raises
    ------
    FileFormatError
        When the file is missing, too large, damaged, or lacks the attribute.
    InputError
        When its predictions have other attributes than those of `grid`.
    """
    remedy = "Make it with `equipoise label import --json`."
    annotated = read_record(path, AnnotationResult, remedy, what="judged images")
    for matrix in annotated.errors:
        if all(name.startswith(f"{attribute}=") and "," not in name for name in matrix.levels):
            return errors_of_reference(matrix, grid)
    raise FileFormatError(
        f"judged images {path}",
        "must hold the errors of the audited attribute",
        f"no errors of {attribute}",
        remedy,
    )


def error_of_group(
    errors: ReferenceErrors, name: str, images: ArrayLike, compared: int
) -> tuple[float, float]:
    """Return the reference's error rate in a group of cells, and an upper bound of it.

    Both are means over the group's cells, weighted by images. The bound uses Clopper and Pearson's
    upper bounds of the cells, simultaneous over all groups compared (Bonferroni). The bound of a
    cell without judged images is 1.

    Parameters
    ----------
    errors : ReferenceErrors
    name : str
        The group, such as "skin_tone=dark" or a cell: all cells with these levels.
    images : array_like of int, shape (K,)
        Images of each cell; at least one in the group.
    compared : int
        Number of groups that are compared.

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
    cells = np.flatnonzero(inside & (counts > 0))
    shares = counts[cells] / counts[cells].sum()
    wrong, judged = errors.wrong[cells], errors.judged[cells]
    bounds, seen = np.ones(len(cells)), judged > 0
    # Twice the error, because only the upper of the two bounds is used.
    error = 2 * (1 - CONFIDENCE) / (compared * len(cells))
    bounds[seen] = exact_bounds(wrong[seen], judged[seen], error)[1]
    rate = float((shares * wrong / judged).sum()) if seen.all() else np.nan
    return rate, float((shares * bounds).sum())


def true_gap(difference: Estimate, errors: Sequence[float]) -> Estimate:
    """Return the bounds of the gap between two groups' true error rates.

    Parameters
    ----------
    difference : Estimate
        Difference of their rates of disagreement with the reference.
    errors : sequence of float
        The reference's error rate in both groups, or upper bounds of it.

    Returns
    -------
    Estimate
        The value is that of `difference`. The interval is wider by the reference's errors, within
        [-1, 1].

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
    """Return the reference's error rate in both of two groups that would explain their whole gap.

    It is half of the gap. Half of the gap's lower end would bring the true gap's interval to 0.

    Examples
    --------
    >>> tipping_point(Estimate(0.15, 0.10, 0.20)).value
    0.075
    """
    return Estimate(difference.value / 2, difference.low / 2, difference.high / 2)

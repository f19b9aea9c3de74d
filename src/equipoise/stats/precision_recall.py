"""Who lies near whom: precision, recall, density and coverage of one set by another.

Each image of one set has a ball that reaches to its k-th nearest neighbour within that set. The
balls stand for where that set's distribution is. All distances are Euclidean, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.distances import blocks

MANIFOLD, DENSITY = 3, 5
"""Neighbours for precision and recall, and for density and coverage: those of their papers."""


@dataclass(frozen=True, eq=False)
class BallMembership:
    """Which points lie in which balls.

    Attributes
    ----------
    balls : numpy.ndarray, shape (n,), int64
        For each point, how many balls hold it.
    occupied : numpy.ndarray, shape (m,), bool
        For each ball, whether it holds a point.
    """

    balls: NDArray[np.int64]
    occupied: NDArray[np.bool_]


def knn_radii(points: ArrayLike, nearest: int) -> NDArray[np.float64]:
    """Return the squared distance of each point, shape (m, F), to its k-th nearest other one.

    Shape (m,); m must be over `nearest`.
    """
    rows = np.asarray(points, np.float64)
    found = np.empty(len(rows))
    for block in blocks(len(rows)):
        squares = _squares(rows[block], rows)
        squares[np.arange(len(squares)), np.arange(block.start, block.stop)] = 0
        found[block] = np.partition(squares, nearest, axis=1)[:, nearest]
    return found


def in_knn_balls(
    points: ArrayLike, centres: ArrayLike, reach: NDArray[np.float64]
) -> BallMembership:
    """Tell which points, shape (n, F), lie in balls, centres of shape (m, F), reach squared."""
    rows, others = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    balls, occupied = np.zeros(len(rows), np.int64), np.zeros(len(others), bool)
    for block in blocks(len(rows)):
        inside = _squares(rows[block], others) <= reach
        balls[block] = inside.sum(axis=1)
        occupied |= inside.any(axis=0)
    return BallMembership(balls, occupied)


def precision(drawn: ArrayLike, reference: ArrayLike, nearest: int = MANIFOLD) -> float:
    """Return the share of drawn images that lie in a ball of the reference.

    Kynkaanniemi et al. 2019, arXiv 1904.06991, equations 1 and 2. In [0, 1], higher is better:
    low where images are drawn that the reference has nothing like. One outlier of the reference
    has a huge ball, which raises it. NaN where a set is too small.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float((in_knn_balls(drawn, reference, knn_radii(reference, nearest)).balls > 0).mean())


def recall(drawn: ArrayLike, reference: ArrayLike, nearest: int = MANIFOLD) -> float:
    """Return the share of reference images that lie in a ball of the drawn ones.

    Kynkaanniemi et al. 2019, equations 1 and 2: precision with the sets swapped. In [0, 1], higher
    is better: low where a part of the reference is never drawn. Scattered bad draws have huge
    balls, which raise it. NaN where a set is too small.
    """
    return precision(reference, drawn, nearest)


def density(drawn: ArrayLike, reference: ArrayLike, nearest: int = DENSITY) -> float:
    """Return how many reference balls hold a drawn image on average, over k.

    Naeem et al. 2020, arXiv 2002.09797, equation 7. At least 0, 1 on average for equal
    distributions, over 1 where draws crowd into the dense parts of the reference. Less moved by
    outliers than precision. NaN where a set is too small.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float(
        in_knn_balls(drawn, reference, knn_radii(reference, nearest)).balls.mean() / nearest
    )


def coverage(drawn: ArrayLike, reference: ArrayLike, nearest: int = DENSITY) -> float:
    """Return the share of reference balls that hold a drawn image.

    Naeem et al. 2020, equation 8. In [0, 1], higher is better; `expected_coverage` is what equal
    distributions have. Less moved by bad draws than recall. NaN where a set is too small.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float(in_knn_balls(drawn, reference, knn_radii(reference, nearest)).occupied.mean())


def expected_coverage(n: int, m: int, nearest: int = DENSITY) -> float:
    """Return the mean coverage of m reference images by n drawn ones of the same distribution.

    Naeem et al. 2020, lemma 2: 1 - product over i = 1 .. k of (m - i) / (n + m - i), as the k
    nearest of a reference image's n + m - 1 others must all be of the reference to leave it bare.

    Examples
    --------
    >>> round(expected_coverage(1000, 1000), 3)
    0.969
    """
    steps = np.arange(1, nearest + 1)
    return float(1 - np.prod((m - steps) / (n + m - steps)))


def _enough(points: ArrayLike, centres: ArrayLike, nearest: int) -> bool:
    return len(np.asarray(points)) > 0 and len(np.asarray(centres)) > nearest


def _squares(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return squared distances, shape (n, m), about the middle of `other` for less rounding."""
    middle = other.mean(axis=0)
    x, y = one - middle, other - middle
    squares: NDArray[np.float64] = x @ y.T
    squares *= -2
    squares += np.square(x).sum(axis=1)[:, None]
    squares += np.square(y).sum(axis=1)
    return np.maximum(squares, 0, out=squares)

"""Precision, recall, density and coverage of drawn images against a reference.

Each image of a set has a ball whose radius is the distance to its k-th nearest neighbour in that
set. The union of the balls estimates the support of the set's distribution. All distances are
Euclidean, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.distances import blocks

MANIFOLD, DENSITY = 3, 5
"""k for precision and recall, and for density and coverage: the values of their papers."""


@dataclass(frozen=True, eq=False)
class BallMembership:
    """Membership of n points in m balls.

    Attributes
    ----------
    balls : numpy.ndarray, shape (n,), int64
        Number of balls that contain each point.
    occupied : numpy.ndarray, shape (m,), bool
        Whether each ball contains a point.
    """

    balls: NDArray[np.int64]
    occupied: NDArray[np.bool_]


def knn_radii(points: ArrayLike, nearest: int) -> NDArray[np.float64]:
    """Return the squared distance of each point to its k-th nearest other point.

    Parameters
    ----------
    points : array_like, shape (m, F)
        More than `nearest`.
    nearest : int
        k.

    Returns
    -------
    numpy.ndarray, shape (m,), float64
    """
    rows = np.asarray(points, np.float64)
    found = np.empty(len(rows))
    for block in blocks(len(rows)):
        squares = _squares(rows[block], rows)
        squares[np.arange(len(squares)), np.arange(block.start, block.stop)] = 0
        found[block] = np.partition(squares, nearest, axis=1)[:, nearest]
    return found


def in_knn_balls(
    points: ArrayLike, centres: ArrayLike, radii: NDArray[np.float64]
) -> BallMembership:
    """Find which points lie in which balls.

    Parameters
    ----------
    points : array_like, shape (n, F)
    centres : array_like, shape (m, F)
    radii : numpy.ndarray, shape (m,), float64
        Squared.
    """
    rows, others = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    balls, occupied = np.zeros(len(rows), np.int64), np.zeros(len(others), bool)
    for block in blocks(len(rows)):
        inside = _squares(rows[block], others) <= radii
        balls[block] = inside.sum(axis=1)
        occupied |= inside.any(axis=0)
    return BallMembership(balls, occupied)


def precision(drawn: ArrayLike, reference: ArrayLike, nearest: int = MANIFOLD) -> float:
    """Return the share of drawn images that lie in a ball of the reference.

    Kynkaanniemi et al. 2019, arXiv 1904.06991, equations 1 and 2. In [0, 1], higher is better. Low
    where drawn images are unlike any of the reference. An outlier of the reference has a very large
    ball, which raises the value. NaN without drawn images, or with at most `nearest` of the
    reference.

    Parameters
    ----------
    drawn, reference : array_like, shape (n, F) and (m, F)
    nearest : int
        k.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float((in_knn_balls(drawn, reference, knn_radii(reference, nearest)).balls > 0).mean())


def recall(drawn: ArrayLike, reference: ArrayLike, nearest: int = MANIFOLD) -> float:
    """Return the share of reference images that lie in a ball of the drawn ones.

    Kynkaanniemi et al. 2019, equations 1 and 2: precision with the sets swapped. In [0, 1], higher
    is better. Low where a part of the reference is never drawn. Scattered bad draws have very large
    balls, which raise the value. Parameters are those of `precision`.
    """
    return precision(reference, drawn, nearest)


def density(drawn: ArrayLike, reference: ArrayLike, nearest: int = DENSITY) -> float:
    """Return the mean number of reference balls that contain a drawn image, divided by k.

    Naeem et al. 2020, arXiv 2002.09797, equation 7. At least 0; about 1 for equal distributions;
    above 1 where draws concentrate in the dense parts of the reference. More robust to outliers
    than precision. Parameters are those of `precision`.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float(
        in_knn_balls(drawn, reference, knn_radii(reference, nearest)).balls.mean() / nearest
    )


def coverage(drawn: ArrayLike, reference: ArrayLike, nearest: int = DENSITY) -> float:
    """Return the share of reference balls that contain a drawn image.

    Naeem et al. 2020, equation 8. In [0, 1], higher is better; `expected_coverage` is its mean for
    equal distributions. More robust to bad draws than recall. Parameters are those of `precision`.
    """
    if not _enough(drawn, reference, nearest):
        return float("nan")
    return float(in_knn_balls(drawn, reference, knn_radii(reference, nearest)).occupied.mean())


def expected_coverage(n: int, m: int, nearest: int = DENSITY) -> float:
    """Return the mean coverage of m reference images by n drawn images of the same distribution.

    Naeem et al. 2020, lemma 2: 1 - product over i = 1 .. k of (m - i) / (n + m - i). A reference
    ball is empty when the k nearest of the image's n + m - 1 neighbours are all of the reference.

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
    """Return squared distances, shape (n, m); both sets are centred first to reduce rounding."""
    centre = other.mean(axis=0)
    x, y = one - centre, other - centre
    squares: NDArray[np.float64] = x @ y.T
    squares *= -2
    squares += np.square(x).sum(axis=1)[:, None]
    squares += np.square(y).sum(axis=1)
    return np.maximum(squares, 0, out=squares)

"""How much further than by chance the images of a cell are from the generator's own of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.distances import frechet_distance, moments
from equipoise.stats.shares import effective_number

LEAST = 30
"""Images of a cell on each side below which nothing is said; chosen by hand."""

Rows = NDArray[np.floating]


def excess_of_variance(drawn: Rows, weights: NDArray[np.float64], own: Sequence[Rows]) -> float:
    """Return the excess of the squared Frechet distance, as a share of the cell's variance.

    The distance of two samples grows as they shrink, also where they come from one population. So
    the mean distance of as many of the generator's own images, one half against the other, is
    subtracted. What is left is 0 on average for a perfect method, whatever their number. For one
    whose images vary too little it is too small where they are few beside F: 35 images of 0.8 of
    the deviation in 48 features seem nearer than the generator's own, 100 do not.

    Parameters
    ----------
    drawn : numpy.ndarray, shape (n, F)
        Features of the drawn images of a cell.
    weights : numpy.ndarray, shape (n,), float64
        Of these images; they count as their effective number.
    own : sequence of numpy.ndarray, shape (m, F) each
        Features of the generator's own images of the cell, two sets at least. Nothing is compared
        with the last one, which serves for the distance by chance alone.

    Returns
    -------
    float
        NaN for fewer than 30 images on a side.
    """
    most = min(map(len, own))
    drawn, weights = drawn[:most], weights[:most]
    effective = round(effective_number(weights)) if len(drawn) else 0
    if effective < LEAST:
        return float("nan")
    mine = moments(drawn, weights)
    theirs, fewer = [moments(rows) for rows in own], [moments(rows[:effective]) for rows in own]
    found = np.mean([frechet_distance(mine, one) for one in theirs[:-1]])
    pairs = combinations(range(len(own)), 2)
    chance = np.mean([frechet_distance(fewer[i], theirs[j]) for i, j in pairs])
    variance = np.mean([np.trace(covariance) for _, covariance in theirs])
    return float((found - chance) / variance)

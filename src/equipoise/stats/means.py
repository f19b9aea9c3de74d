"""Weighted means, their standard errors and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import Estimate, around


def mean_with_error(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return a weighted mean, its squared standard error and its degrees of freedom.

    The variance is that of a ratio of two sums, by linearisation, as in `Share.among`; the degrees
    of freedom are those of the effective number of values (Kish 1965).

    Parameters
    ----------
    values, weights : numpy.ndarray, shape (n,), float64
        At least one value; weights above 0.
    """
    parts = weights / weights.sum()
    mean, effective = float(parts @ values), 1 / float(parts @ parts)
    free = max(effective - 1, 1.0)
    squares = float(np.square(parts) @ np.square(values - mean))
    return mean, squares * effective / free, free


def mean_estimate(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """Return a weighted mean with its Student t interval.

    Parameters
    ----------
    values, weights : numpy.ndarray, shape (n,), float64
        Without values the estimate is missing; one value has no interval.

    Examples
    --------
    >>> found = mean_estimate(np.array([1.0, 2.0, 3.0]), np.ones(3))
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (2.0, -0.48, 4.48)
    """
    if not len(values):
        return Estimate.missing("no value")
    mean, squared, free = mean_with_error(values, weights)
    if len(values) == 1:
        return Estimate(mean, note="one value has no interval")
    return around(mean, float(np.sqrt(squared)), free)

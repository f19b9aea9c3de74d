"""Weighted means, their standard errors and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from equipoise.core.estimates import CONFIDENCE, Estimate, around

NORMAL = float(norm.isf((1 - CONFIDENCE) / 2))
"""Half the length of a normal interval at 95 %, in standard errors."""


_LEAST = 5.0
"""Effective values from which on a standard deviation has an interval."""


_TRIM = 0.45
"""Part that is trimmed at each end at most, so that something is left."""


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


def deviation_estimate(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    """Return a weighted standard deviation with its interval.

    The interval is Bonett's (2006, "Approximate confidence interval for standard deviation of
    nonnormal distributions"): that of the logarithm of the variance, whose error follows from the
    kurtosis about a trimmed mean. With weights the fourth moments are those of a ratio of two sums,
    and n is the effective number (Kish 1965).

    Parameters
    ----------
    values, weights : numpy.ndarray, shape (n,), float64
        With fewer than five effective values the estimate has no interval, and with fewer than two
        it is missing.

    Examples
    --------
    >>> found = deviation_estimate(np.arange(100.0), np.ones(100))
    >>> round(found.value, 1), round(found.low, 1), round(found.high, 1)
    (29.0, 26.7, 32.1)
    """
    if len(values) < 2:
        return Estimate.missing("fewer than two values")
    parts = weights / weights.sum()
    n, squares = 1 / float(parts @ parts), np.square(values - parts @ values)
    mean_square = float(parts @ squares)
    variance = mean_square * n / max(n - 1, 1)
    if n < _LEAST - 1e-9 or not np.ptp(values):
        value = float(np.sqrt(variance)) if np.ptp(values) else 0.0
        return Estimate(value, note="too few values, or equal ones")
    order = np.argsort(values)
    below = np.cumsum(parts[order])
    trim = min(1 / (2 * np.sqrt(max(n - 4, 1))), _TRIM)
    kept = order[(below > trim) & (below - parts[order] < 1 - trim)]
    fourth = np.square(parts) @ (values - np.average(values[kept], weights=parts[kept])) ** 4
    kurtosis = float(fourth) * n / mean_square**2
    scale = n / (n - NORMAL)
    error = scale * np.sqrt(max(kurtosis - (n - 3) / n, 0) / (n - 1))
    low, high = (float(np.sqrt(scale * variance * np.exp(z * error))) for z in (-NORMAL, NORMAL))
    return Estimate(float(np.sqrt(variance)), low, high)


def mean_difference(
    one: Estimate, other: Estimate, error: float = 1 - CONFIDENCE
) -> tuple[Estimate, float]:
    """Return the difference of two independent means, and the p-value of their being equal.

    Standard errors are taken from the intervals, as if these were normal ones: those of Student's t
    are longer, so the interval of the difference is too (Zou and Donner 2008, "Construction of
    confidence limits about effect measures", for symmetric limits).

    Parameters
    ----------
    one, other : Estimate
        With intervals at 95 %.
    error : float
        In (0, 1), of the interval of the difference.

    Returns
    -------
    difference : Estimate
        `one` less `other`; missing where one of them has no interval.
    p_value : float
        NaN where it is missing.

    Examples
    --------
    >>> found, p_value = mean_difference(Estimate(5.0, 4.0, 6.0), Estimate(2.0, 1.0, 3.0))
    >>> found.value, round(found.low, 2), p_value < 0.001
    (3.0, 1.59, True)
    """
    reach = float(np.hypot(one.high - one.low, other.high - other.low)) / 2
    if not np.isfinite(reach):
        return Estimate.missing("too few images of one kind"), float("nan")
    value, deviation = one.value - other.value, reach / NORMAL
    wide = deviation * float(norm.isf(error / 2))
    p_value = 2 * float(norm.sf(abs(value) / deviation)) if deviation else float(value == 0)
    return Estimate(value, value - wide, value + wide), p_value

"""How far rates of groups are apart, with intervals that allow for the noise of every rate.

A measure of spread is larger for noisy rates than for the true ones, so that resampled rates would
mislead. Here it is taken over all rates that may be true together: a box of intervals that hold
jointly at 95 % (Bonferroni). Its ends hold at 95 % or more, and are wide where groups are many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.stats.intervals import effective_interval
from equipoise.stats.shares import Share

_STEPS = 200
"""Common rates that are tried for the least spread; by hand."""


def rates_together(rates: Sequence[Share]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intervals of rates that hold jointly, low and high, shape (groups,) each.

    They are exact (Clopper and Pearson 1934) for as many events among independent pairs as have the
    variance of the rate, at an equal part of the error each.
    """
    error = (1 - CONFIDENCE) / max(len(rates), 1)
    found = [effective_interval(rate.share, rate.effective, error) for rate in rates]
    low, high = np.array(found).reshape(-1, 2).T
    return low, high


def spread_of(
    measure: Callable[[Sequence[float]], float],
    rates: Sequence[Share],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Estimate:
    """Return a measure of spread, with its least and largest values over a box of rates.

    The least spread is where rates lie as near to a common one as the box allows; the largest where
    the lowest groups have their least and the others their largest rates.

    Parameters
    ----------
    measure : callable
        Of rates; monotone in their spread, one way or the other.
    rates : sequence of Share
    low, high : numpy.ndarray, shape (groups,), float64
        The box.
    """
    value = measure([rate.share for rate in rates]) if rates else np.nan
    if np.isnan(value):
        return Estimate.missing("no false match in two groups of two faces or more")
    order = np.argsort(low + high)
    ranks = np.argsort(order)
    apart = [np.where(ranks < split, low, high) for split in range(1, len(rates))]
    near = [np.clip(one, low, high) for one in np.linspace(low.min(), high.max(), _STEPS)]
    found = [measure(row.tolist()) for row in (*apart, *near)]
    ends = [*(one for one in found if not np.isnan(one)), value]
    return Estimate(value, min(ends), max(ends))

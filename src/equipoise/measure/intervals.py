"""Intervals of shares: one at a time, and for all cells together."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from equipoise.estimates import LEVEL
from equipoise.seeds import Stream, generator_for

_SIMULATIONS = 10_000


def exact_interval(count: int, n: int) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934) at `LEVEL`; NaN when n is 0.

    It covers the true share at least as often as `LEVEL` says, for every share and every n.
    Wilson's shorter interval falls below its level where n times the share is small, which is
    where rare cells are (docs/decisions/0002).

    Examples
    --------
    >>> low, high = exact_interval(50, 100)
    >>> round(low, 3), round(high, 3)
    (0.398, 0.602)
    """
    if n == 0:
        return np.nan, np.nan
    interval = binomtest(count, n).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)


def simultaneous_intervals(counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intervals that hold all true shares at once, at `LEVEL`.

    Each is a score interval as in Goodman 1965 ("On simultaneous confidence intervals for
    multinomial proportions", Technometrics 7), with a common critical value: the quantile of the
    largest standardised deviation over cells, simulated at the observed shares (max-T, Westfall
    and Young 1993, section 2.3). Bonferroni's value ignores that shares sum to 1 and gives
    intervals that are too long, most so for two cells. Read: in 95 of 100 such samples all K
    intervals cover. Below about 5 expected images in a cell the level is approximate.

    Parameters
    ----------
    counts : array_like of int, shape (K,)
        Images of each cell.

    Returns
    -------
    low, high : numpy.ndarray, shape (K,), float64
        In [0, 1]; NaN when there are no images.

    Examples
    --------
    >>> low, high = simultaneous_intervals([50, 30, 20])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.39, 0.2, 0.12], [0.61, 0.42, 0.32])
    """
    found = np.asarray(counts, dtype=np.int64)
    n = int(found.sum())
    if n == 0:
        return np.full(len(found), np.nan), np.full(len(found), np.nan)
    if len(found) == 1:
        return np.ones(1), np.ones(1)
    critical = critical_value(tuple(found.tolist()))
    return score_interval(found / n, n, critical)


def score_interval(
    shares: NDArray[np.float64], n: int, critical: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares p with |share - p| <= critical * sqrt(p (1 - p) / n) (Wilson 1927)."""
    square = critical**2
    centre = (shares + square / (2 * n)) / (1 + square / n)
    reach = np.sqrt(shares * (1 - shares) / n + square / (4 * n**2)) * critical / (1 + square / n)
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)


@lru_cache(maxsize=64)
def critical_value(counts: tuple[int, ...]) -> float:
    """Return the `LEVEL` quantile of the largest standardised deviation of any cell.

    Simulated at the observed shares, each count raised by 1 / K so that an empty cell can show;
    the level is raised by two standard errors of the simulation, which so cannot undercut it.
    """
    found = np.array(counts, dtype=np.float64)
    n = int(found.sum())
    shares = (found + 1 / len(found)) / (n + 1)
    drawn = generator_for(0, Stream.FIT, 7).multinomial(n, shares, size=_SIMULATIONS) / n
    deviations = np.abs(drawn - shares) / np.sqrt(shares * (1 - shares) / n)
    level = LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / _SIMULATIONS)
    return float(np.quantile(deviations.max(axis=1), level))

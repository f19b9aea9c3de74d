"""Confidence intervals of shares: of one alone, and simultaneous ones of several.

A single share has the exact interval. The shares of all cells have intervals that hold together,
and so have several quantities of which joint draws are at hand.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv
from scipy.stats import norm

from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.seeds import Stream, generator_for

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lower and upper ends of several intervals."""

_SIMULATIONS = 10_000
"""Draws that give the critical value; their own error is added to its level."""

_SMALL = 5
"""Counts up to which the score interval is too short. Chosen by hand; coverage is tested."""

_OF_EMPTY = 0.2 * (1 - CONFIDENCE)
"""Part of the error that empty cells take, where there are any; the fifth is chosen by hand."""


def exact_interval(count: int, n: int) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934).

    It covers the true share with a probability of at least `CONFIDENCE`, for every share and every
    n. Wilson's shorter interval covers less often where n times the share is small, as it is in
    rare cells (docs/decisions/0002).

    Parameters
    ----------
    count, n : int
        Events and trials.

    Returns
    -------
    low, high : float
        In [0, 1]; NaN when n is 0.

    Examples
    --------
    >>> low, high = exact_interval(50, 100)
    >>> round(low, 3), round(high, 3)
    (0.398, 0.602)
    """
    if n == 0:
        return np.nan, np.nan
    low, high = exact_bounds(count, n, 1 - CONFIDENCE)
    return float(low), float(high)


def effective_interval(
    share: float, n: float, error: float = 1 - CONFIDENCE
) -> tuple[float, float]:
    """Return the interval of a weighted share of n effective trials (Korn and Graubard 1998).

    It is that of Clopper and Pearson for share * n events, which need not be whole.

    Parameters
    ----------
    share : float
        In [0, 1].
    n : float
        Effective trials, above 0.
    error : float
        In (0, 1): bound on the probability that the interval misses, both sides together.

    Examples
    --------
    >>> effective_interval(0.5, 100.0) == exact_interval(50, 100)
    True
    """
    events = share * n
    low = 0.0 if share <= 0 else float(betaincinv(events, n - events + 1, error / 2))
    high = 1.0 if share >= 1 else float(betaincinv(events + 1, n - events, 1 - error / 2))
    return low, high


def exact_bounds(
    counts: ArrayLike, n: ArrayLike, error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Clopper and Pearson's bounds of many shares.

    Parameters
    ----------
    counts : array_like of int
        Events, of any shape.
    n : array_like of int
        Trials, at least 1; of a shape that broadcasts with `counts`.
    error : float
        In (0, 1): bound on the probability that one pair of bounds misses its share, both sides
        together.

    Returns
    -------
    low, high : numpy.ndarray, the shape of `counts`, float64, in [0, 1]
    """
    found, trials = np.asarray(counts, np.int64), np.asarray(n, np.int64)
    low = betaincinv(found, trials - found + 1, error / 2)
    high = betaincinv(found + 1, trials - found, 1 - error / 2)
    return np.where(found == 0, 0.0, low), np.where(found == trials, 1.0, high)


def simultaneous_intervals(counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return simultaneous intervals of the shares of K cells, at `CONFIDENCE`.

    Each is a score interval as in Goodman 1965 ("On simultaneous confidence intervals for
    multinomial proportions", Technometrics 7), with a common critical value: the quantile of the
    largest standardised deviation over cells, simulated at the observed shares (max-T, Westfall
    and Young 1993, section 2.3). Bonferroni's value ignores that shares sum to 1 and gives
    intervals that are too long, most of all for two cells. Empty cells take a fifth of the error
    between them, by exact bounds. Cells of at most 5 images, or of all but at most 5, have at least
    the exact interval at 1 / K of the error, because the score interval is too short there. How to
    read them: in 95 of 100 samples all K intervals cover their true shares.

    Parameters
    ----------
    counts : array_like of int, shape (K,)
        Images of each cell.

    Returns
    -------
    low, high : numpy.ndarray, shape (K,), float64
        In [0, 1]; NaN when all counts are 0.

    Examples
    --------
    >>> low, high = simultaneous_intervals([50, 30, 20])
    >>> low.round(1).tolist(), high.round(1).tolist()
    ([0.4, 0.2, 0.1], [0.6, 0.4, 0.3])
    """
    found = np.asarray(counts, dtype=np.int64)
    n = int(found.sum())
    if n == 0:
        return np.full(len(found), np.nan), np.full(len(found), np.nan)
    critical = critical_value(tuple(found.tolist()))
    low, high = score_interval(found / n, n, critical)
    near = np.minimum(found, n - found)
    small = np.flatnonzero((near > 0) & (near <= _SMALL))
    least, most = exact_bounds(found[small], n, (1 - CONFIDENCE) / len(found))
    low[small], high[small] = np.minimum(low[small], least), np.maximum(high[small], most)
    empty = found == 0
    if empty.any():
        high[empty] = unseen_bound(n, int(empty.sum()))
        if empty.sum() == len(found) - 1:
            # One cell has all images: its share is 1 less what the others may have.
            low[~empty] = 1 - unseen_bound(n, 1)
    return low, high


def intervals_of_sets(counts: ArrayLike) -> Bounds:
    """Return intervals of the cells' shares in several sets, which hold together over all of them.

    Each is exact (Clopper and Pearson 1934) at a level for which all hold at `CONFIDENCE`: the
    error is divided over the sets, which are independent, by Sidak's formula (1967, Journal of the
    American Statistical Association 62), and over the cells of a set by Bonferroni's; two cells of
    one set are one share. They hold for any n. Simulation as in `simultaneous_intervals` would need
    millions of draws to reach the tails that many sets need.

    Parameters
    ----------
    counts : array_like of int, shape (C, K)
        Images of each cell in each of C sets.

    Returns
    -------
    low, high : numpy.ndarray, each shape (C, K), float64
        In [0, 1]; those of a set without images are 0 and 1.

    Examples
    --------
    >>> low, high = intervals_of_sets([[50, 50], [5, 95]])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([[0.39, 0.39], [0.01, 0.88]], [[0.61, 0.61], [0.12, 0.99]])
    """
    found = np.asarray(counts, np.int64)
    n, cells = found.sum(axis=1, keepdims=True), found.shape[1]
    sets = max(int((n > 0).sum()), 1)
    error = -np.expm1(np.log(CONFIDENCE) / sets) / (cells if cells > 2 else 1)
    low, high = exact_bounds(found, np.maximum(n, 1), error)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def unseen_bound(n: float, cells: int) -> float:
    """Return the upper bound of the share of a cell without images.

    Parameters
    ----------
    n : float
        Images, above 0.
    cells : int
        Number of empty cells, which share their part of the error.

    Returns
    -------
    float
        In (0, 1): 1 - (error / cells)^(1 / n).
    """
    return float(-np.expm1(np.log(_OF_EMPTY / cells) / n))


def unseen_needed(bound: ArrayLike, cells: int) -> NDArray[np.float64]:
    """Return the number of images n at which `unseen_bound` equals a bound.

    Parameters
    ----------
    bound : array_like
        In (0, 1), of any shape.
    cells : int
        Number of empty cells.

    Returns
    -------
    numpy.ndarray, the shape of `bound`, float64
    """
    return np.asarray(np.log(_OF_EMPTY / cells) / np.log1p(-np.asarray(bound, np.float64)))


def score_interval(
    shares: NDArray[np.float64], n: float | NDArray[np.float64], critical: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares p with |share - p| <= critical * sqrt(p (1 - p) / n) (Wilson 1927).

    Parameters
    ----------
    shares : numpy.ndarray, shape (K,), float64
        Observed, in [0, 1].
    n : float or numpy.ndarray, shape (K,), float64
        Trials, above 0; effective ones need not be whole.
    critical : float
        Quantile of the standard normal distribution: 1.96 for 95 %.

    Returns
    -------
    low, high : numpy.ndarray, each shape (K,), float64, in [0, 1]
    """
    square = critical**2
    centre = (shares + square / (2 * n)) / (1 + square / n)
    reach = np.sqrt(shares * (1 - shares) / n + square / (4 * n**2)) * critical / (1 + square / n)
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)


@lru_cache(maxsize=64)
def critical_value(counts: tuple[int, ...]) -> float:
    """Return the critical value of `simultaneous_intervals`.

    The quantile of the largest standardised deviation of any non-empty cell, simulated at the
    observed shares. Its level is `CONFIDENCE`, or more where empty cells take a part of the error.
    It is raised by two standard errors of the simulation, so that noise of the simulation does not
    lower it.

    Parameters
    ----------
    counts : tuple of int
        Images of each cell.

    Returns
    -------
    float
        At least 0; 0 where one cell has all images.
    """
    found = np.array(counts, dtype=np.float64)
    n, cells = int(found.sum()), len(found)
    shares = found[found > 0] / n
    if len(shares) == 1:
        return 0.0
    drawn = generator_for(0, Stream.CRITICAL_VALUE).multinomial(n, shares, size=_SIMULATIONS) / n
    deviations = np.abs(drawn - shares) / np.sqrt(shares * (1 - shares) / n)
    level = CONFIDENCE if len(shares) == cells else CONFIDENCE + _OF_EMPTY
    level += 2 * np.sqrt(level * (1 - level) / _SIMULATIONS)
    return float(np.quantile(deviations.max(axis=1), level))


def simultaneous_region(
    draws: NDArray[np.float64], level: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the box with equal tails in every quantity that holds a share `level` of the draws.

    The extremity of a draw is its most extreme rank, from either end, over the quantities. The box
    extends to the `level` quantile of the extremities (Besag, Green, Higdon and Mengersen 1995,
    section 6.3). Unlike Bonferroni's, it uses the dependence between the quantities: for two shares
    that sum to 1 it is the ordinary interval.

    Parameters
    ----------
    draws : numpy.ndarray, shape (B, K), float64
        Joint draws of K quantities.
    level : float
        In (0, 1).

    Returns
    -------
    low, high : numpy.ndarray, each shape (K,), float64

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(20_000, 2))
    >>> bool(np.allclose(simultaneous_region(draws)[1], 2.24, atol=0.05))
    True
    """
    count = len(draws)
    rank = np.argsort(np.argsort(draws, axis=0), axis=0) + 1
    extremity = np.sort(np.maximum(rank, count + 1 - rank).max(axis=1))
    reach = int(extremity[int(np.ceil(level * count)) - 1])
    ordered = np.sort(draws, axis=0)
    return ordered[count - reach], ordered[reach - 1]


def newcombe_interval(
    counts: ArrayLike,
    trials: ArrayLike,
    other_counts: ArrayLike,
    other_trials: ArrayLike,
    critical: float,
) -> Bounds:
    """Return Newcombe's hybrid score interval of a difference of two rates (1998, method 10).

    Parameters
    ----------
    counts, trials, other_counts, other_trials : array_like, shape (P,)
        Of the first and of the second group of each of P pairs; effective ones need not be whole.
    critical : float
        Quantile of the standard normal distribution: 1.96 for 95 %.

    Returns
    -------
    low, high : numpy.ndarray, shape (P,), float64
        Of the first rate less the second, in [-1, 1].
    """
    count, n, other_count, other_n = (
        np.asarray(numbers, np.float64) for numbers in (counts, trials, other_counts, other_trials)
    )
    rate, other = count / n, other_count / other_n
    low, high = score_interval(rate, n, critical)
    other_low, other_high = score_interval(other, other_n, critical)
    difference = rate - other
    below = np.hypot(rate - low, other_high - other)
    above = np.hypot(high - rate, other - other_low)
    return difference - below, difference + above


def share_difference(count: float, n: float, other_count: float, other_n: float) -> Estimate:
    """Return the difference of two independent shares at `CONFIDENCE`, by `newcombe_interval`.

    Missing where a set is empty. Numbers may be effective ones, of images that carry weights.

    Examples
    --------
    >>> found = share_difference(56, 70, 48, 80)  # table II (a) of the paper
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    if min(n, other_n) == 0:
        return Estimate.missing("no known image in one of the sets")
    one, trials, other, other_trials = np.array([[count], [n], [other_count], [other_n]])
    critical = float(norm.ppf((1 + CONFIDENCE) / 2))
    low, high = newcombe_interval(one, trials, other, other_trials, critical)
    return Estimate(count / n - other_count / other_n, float(low[0]), float(high[0]))

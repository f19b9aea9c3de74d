"""Matched pairs: the difference of two shares of the same images, and exact tests of symmetry.

Every function takes counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm

from equipoise.core.estimates import Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.group_gaps import ERROR, SIMULATIONS
from equipoise.stats.intervals import score_interval


def paired_difference(
    both: int, first: int, second: int, neither: int, *, error: float = ERROR
) -> Estimate:
    """Return the difference of two shares of the same images, with Newcombe's paired interval.

    Method 10 of Newcombe 1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data" (Statistics in Medicine 17:2635). It combines Wilson's
    intervals of the two shares by the law of cosines; the cosine is their correlation phi, with a
    continuity correction towards 0.

    Parameters
    ----------
    both, first, second, neither : int
        Images with both events, with the first alone, with the second alone, and with neither.
    error : float
        1 less the confidence level, in (0, 1).

    Returns
    -------
    Estimate
        The first share less the second, in [-1, 1]; NaN where there are no images.

    Examples
    --------
    >>> found = paired_difference(1, 1, 7, 12)  # Fagerland, Lydersen and Laake 2014, table II
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (-0.286, -0.507, -0.026)
    """
    n = both + first + second + neither
    if n == 0:
        return Estimate.missing("no such image")
    shares = np.array([both + first, both + second]) / n
    low, high = score_interval(shares, n, float(norm.isf(error / 2)))
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    covariance = float(both * neither - first * second)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / np.sqrt(float(margins)) if margins else 0.0
    down, up = shares - low, high - shares
    difference = float(shares[0] - shares[1])
    below = _third_side(down[0], up[1], phi)
    above = _third_side(up[0], down[1], phi)
    return Estimate(difference, difference - below, difference + above)


def _third_side(one: float, other: float, cosine: float) -> float:
    """Return the side of a triangle opposite to the angle between two sides (law of cosines)."""
    return float(np.sqrt(max(one**2 - 2 * cosine * one * other + other**2, 0.0)))


def discordance(first: int, second: int) -> float:
    """Return the exact p-value of the hypothesis that two events are equally likely.

    McNemar's test (1947) by the binomial distribution.

    Parameters
    ----------
    first, second : int
        Images with the first event alone, and with the second alone.

    Returns
    -------
    float
        In (0, 1]; 1 where there are no such images.

    Examples
    --------
    >>> discordance(5, 5), discordance(8, 0)
    (1.0, 0.0078125)
    """
    if first + second == 0:
        return 1.0
    return float(binomtest(first, first + second).pvalue)


def asymmetry(counts: ArrayLike, seed: int = 0) -> float:
    """Return the p-value of the hypothesis that every two groups exchange equally many images.

    Bowker's statistic (1948, "A test for symmetry in contingency tables", JASA 43). Its
    distribution is simulated: given the number of images that two groups exchange, each goes
    either way with probability 1/2.

    Parameters
    ----------
    counts : array_like of int, shape (K, K)
        Images by their group before (rows) and after (columns).
    seed : int
        Of the simulation, in [0, 2**63).

    Returns
    -------
    float
        In (0, 1].

    Examples
    --------
    >>> asymmetry([[20, 5], [5, 20]]), asymmetry([[20, 20], [0, 40]]) < 0.001
    (1.0, True)
    """
    table = np.asarray(counts, np.int64)
    one, other = np.triu_indices(len(table), 1)
    away, back = table[one, other], table[other, one]
    some = away + back > 0
    away, exchanged = away[some], (away + back)[some]
    if not len(away):
        return 1.0
    rng = generator_for(seed, Stream.PAIRED_TEST)
    drawn = rng.binomial(exchanged, 0.5, size=(SIMULATIONS, len(exchanged)))
    reached = _bowker(drawn, exchanged) >= _bowker(away[None], exchanged) * (1 - 1e-9)
    return float((1 + reached.sum()) / (1 + SIMULATIONS))


def _bowker(away: NDArray[np.int64], exchanged: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return Bowker's statistic of each row of counts."""
    return np.asarray(((2 * away - exchanged) ** 2 / exchanged).sum(axis=1))

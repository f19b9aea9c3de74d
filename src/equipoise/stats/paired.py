"""Differences of two shares of the same images, and tests that need only their pairs.

All are free functions of counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm

from equipoise.core.estimates import Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.group_gaps import ERROR
from equipoise.stats.intervals import score_interval

_SIMULATIONS = 9999


def paired_difference(
    both: int, first: int, second: int, neither: int, *, error: float = ERROR
) -> Estimate:
    """Return a share less another of the same images (Newcombe 1998, "... based on paired data").

    Method 10 of that paper (Statistics in Medicine 17:2635): Wilson's intervals of the two shares,
    joined as sides of a triangle whose angle is their correlation phi, towards 0 by half an image.

    Parameters
    ----------
    both, first, second, neither : int
        Images with both events, with the first alone, with the second alone, and with none.
    error : float
        Chance of a miss.

    Returns
    -------
    Estimate
        Of the first share less the second, in [-1, 1]; NaN where there are no images.

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
    """Return the side of a triangle opposite to an angle (law of cosines)."""
    return float(np.sqrt(max(one**2 - 2 * cosine * one * other + other**2, 0.0)))


def discordance(first: int, second: int) -> float:
    """Return the exact p-value of "both events are as likely" (McNemar 1947, by the binomial).

    Parameters
    ----------
    first, second : int
        Images with the first event alone, and with the second alone.

    Examples
    --------
    >>> discordance(5, 5), discordance(8, 0)
    (1.0, 0.0078125)
    """
    if first + second == 0:
        return 1.0
    return float(binomtest(first, first + second).pvalue)


def asymmetry(counts: ArrayLike, seed: int = 0) -> float:
    """Return the p-value of "as many go from a group to another as come from it".

    Bowker's statistic (1948, "A test for symmetry in contingency tables", JASA 43), simulated:
    given how many images two groups exchange, each went either way with chance 1/2, which is
    exact up to its 9,999 draws.

    Parameters
    ----------
    counts : array_like of int, shape (K, K)
        Rows where images were, columns where they are.
    seed : int
        Of the draws.

    Examples
    --------
    >>> asymmetry([[20, 5], [5, 20]]), asymmetry([[20, 20], [0, 40]]) < 0.001
    (1.0, True)
    """
    table = np.asarray(counts, np.int64)
    one, other = np.triu_indices(len(table), 1)
    there, back = table[one, other], table[other, one]
    exchanged = there + back
    found = exchanged > 0
    there, exchanged = there[found], exchanged[found]
    if not len(there):
        return 1.0
    rng = generator_for(seed, Stream.PAIRED_TEST)
    drawn = rng.binomial(exchanged, 0.5, size=(_SIMULATIONS, len(exchanged)))
    reached = _bowker(drawn, exchanged) >= _bowker(there[None], exchanged) * (1 - 1e-9)
    return float((1 + reached.sum()) / (1 + _SIMULATIONS))


def _bowker(there: NDArray[np.int64], exchanged: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the statistic of each row of counts."""
    return np.asarray(((2 * there - exchanged) ** 2 / exchanged).sum(axis=1))

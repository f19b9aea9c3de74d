"""Whether two sets of rates, or of means, rank the same groups alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from equipoise.core.estimates import Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.means import NORMAL

_DRAWS = 2000
_TAIL = 0.005
"""Part of the draws beyond each end. Central 95 % miss a true correlation of 1 or -1 in up to 13 of
100 sets of 100 images a group, because draws are noisier than the rates and all lie on one side of
it. Central 99 % cover in 97 and more."""


def rank_agreement(
    counts: ArrayLike,
    trials: ArrayLike,
    other_counts: ArrayLike,
    other_trials: ArrayLike,
    *,
    seed: int = 0,
) -> Estimate:
    """Return Spearman's rank correlation of two sets of rates of the same groups.

    The interval is of these groups' true rates, not of groups in general: rates are drawn from
    their posteriors (Jeffreys' prior), and the central 99 % of their correlations are taken.

    Parameters
    ----------
    counts, trials, other_counts, other_trials : array_like, shape (K,)
        Events and trials of each group in both sets; effective ones need not be whole.
    seed : int
        In [0, 2**63).

    Returns
    -------
    Estimate
        Missing for fewer than three groups, or where all rates of a set are equal.

    Examples
    --------
    >>> found = rank_agreement([5, 20, 60], [200] * 3, [8, 30, 70], [200] * 3)
    >>> found.value, found.low > 0.9
    (1.0, True)
    """
    count, n, other, other_n = (
        np.asarray(numbers, np.float64) for numbers in (counts, trials, other_counts, other_trials)
    )
    if len(count) < 3:
        return Estimate.missing("fewer than three groups")
    value = _spearman((count / n)[None], (other / other_n)[None])[0]
    if np.isnan(value):
        return Estimate.missing("all rates of one set are equal")
    rng = generator_for(seed, Stream.RANK_AGREEMENT)
    first, second = (
        rng.beta(events + 0.5, of - events + 0.5, size=(_DRAWS, len(of)))
        for events, of in ((count, n), (other, other_n))
    )
    return _with_interval(float(value), first, second)


def rank_agreement_of_means(
    one: Sequence[Estimate], other: Sequence[Estimate], *, seed: int = 0
) -> Estimate:
    """Return Spearman's rank correlation of two sets of means of the same groups.

    As `rank_agreement`, where each mean is drawn from the normal distribution of its interval.

    Parameters
    ----------
    one, other : sequence of Estimate
        K means each, with intervals at 95 %.
    seed : int
        In [0, 2**63).

    Returns
    -------
    Estimate
        Missing for fewer than three groups, or where all means of a set are equal.
    """
    if len(one) < 3:
        return Estimate.missing("fewer than three groups")
    values = np.array([[mean.value for mean in means] for means in (one, other)])
    reaches = np.array([[mean.high - mean.low for mean in means] for means in (one, other)])
    value = _spearman(values[:1], values[1:])[0]
    if np.isnan(value):
        return Estimate.missing("all means of one set are equal")
    drawn = generator_for(seed, Stream.RANK_AGREEMENT).standard_normal((2, _DRAWS, len(one)))
    first, second = values[:, None] + reaches[:, None] / 2 / NORMAL * drawn
    return _with_interval(float(value), first, second)


def _with_interval(
    value: float, first: NDArray[np.float64], second: NDArray[np.float64]
) -> Estimate:
    """Return a correlation with the central part of those of draws."""
    low, high = np.quantile(_spearman(first, second), [_TAIL, 1 - _TAIL])
    return Estimate(value, min(float(low), value), max(float(high), value))


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank correlation of each row, NaN where all values of one are equal."""
    a, b = (rankdata(values, axis=1) for values in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))

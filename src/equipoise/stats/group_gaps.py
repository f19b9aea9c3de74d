"""Gaps between the rates of groups: intervals of the largest difference and ratio, and tests.

Every function takes counts: the events of each group, and its trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2_contingency, f, fisher_exact, norm, studentized_range, t

from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.intervals import Bounds, newcombe_interval
from equipoise.stats.means import mean_with_error

ERROR = 1 - CONFIDENCE
"""Bound on the probability that any test of a family rejects a true hypothesis."""

SIMULATIONS = 9999
"""Draws of a simulated test; with the observed table they make 10,000."""

_MANY = 1024.0
"""Degrees of freedom from which on a quantile is interpolated to that of infinitely many."""

_FEW = 5.0
"""Least expected count at which chi-square's approximation is trusted (Cochran 1954)."""


_ROUNDING = 1e-12
"""Differences of means are none below this part of the largest value."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The largest difference between the rates of several groups.

    Attributes
    ----------
    highest, lowest : str
        The groups of the largest and the smallest rate.
    difference : Estimate
        Largest rate less smallest, in [0, 1]; fairlearn's `difference`.
    pair : Estimate
        The same difference with the interval of these two groups, one of the simultaneous
        intervals of all pairs. Its lower end is at most that of `difference`.
    ratio : Estimate
        Largest rate over smallest, at least 1; infinite where the smallest is 0. fairlearn's
        `ratio` is its inverse.
    p_value : float
        Of the hypothesis that all groups have one rate; not adjusted for other tests.
    """

    highest: str
    lowest: str
    difference: Estimate
    pair: Estimate
    ratio: Estimate
    p_value: float


def largest_gap(
    names: Sequence[str], counts: ArrayLike, trials: ArrayLike, *, seed: int = 0
) -> Gap | None:
    """Return the largest gap between groups, with intervals that allow for its selection.

    Each pair of groups has Newcombe's hybrid score interval of the difference (1998, method 10) and
    Walter's adjusted logarithmic interval of the ratio (1975). Both use the critical value of the
    Studentized range over the square root of 2, so that the intervals of all pairs hold
    simultaneously (Agresti, Bini, Bertaccini and Ryu 2008, "Simultaneous confidence intervals for
    comparing binomial parameters", Biometrics 64). When all hold, the largest true difference lies
    between the largest lower end and the largest upper end of any pair. That is its interval; the
    ratio's is found likewise. The estimate is a maximum, so it is biased upwards where the true
    gaps are small. A bootstrap would be centred on the biased value, so none is used.

    Parameters
    ----------
    names : sequence of str
        K groups.
    counts, trials : array_like of int, shape (K,)
        Events and trials of each group; groups without trials are left out.
    seed : int
        Of the simulated test, in [0, 2**63).

    Returns
    -------
    Gap or None
        None where fewer than two groups have trials.

    Examples
    --------
    >>> gap = largest_gap(("a", "b", "c"), [30, 10, 12], [100, 100, 100])
    >>> gap.highest, gap.lowest, round(gap.difference.value, 2), gap.difference.low > 0.05
    ('a', 'b', 0.2, True)
    """
    events, n = np.asarray(counts, np.int64), np.asarray(trials, np.int64)
    tried = np.flatnonzero(n > 0)
    if len(tried) < 2:
        return None
    events, n = events[tried], n[tried]
    rates = events / n
    order = np.argsort(-rates, kind="stable")
    top, bottom = int(order[0]), int(order[-1])
    one, other = (
        pair.ravel() for pair in np.meshgrid(np.arange(len(n)), np.arange(len(n)), indexing="ij")
    )
    one, other = one[one != other], other[one != other]
    critical = float(norm.isf(pair_error(len(n)) / 2))
    pairs = (events[one], n[one], events[other], n[other])
    low, high = newcombe_interval(*pairs, critical)
    value = float(rates[top] - rates[bottom])
    difference = Estimate(value, max(float(low.max()), 0.0), float(high.max()))
    own = int(np.flatnonzero((one == top) & (other == bottom))[0])
    pair = Estimate(value, max(float(low[own]), 0.0), float(high[own]))
    low, high = ratio_interval(*pairs, critical)
    if rates[top] == 0:
        ratio = Estimate.missing("no event in any group")
    else:
        value = float(rates[top] / rates[bottom]) if rates[bottom] else np.inf
        # The adjusted counts of the interval do not know a rate of 0.
        ratio = Estimate(value, max(float(low.max()), 1.0), max(float(high.max()), value))
    p_value = equal_rates(events, n, seed)
    return Gap(
        highest=names[tried[top]],
        lowest=names[tried[bottom]],
        difference=difference,
        pair=pair,
        ratio=ratio,
        p_value=p_value,
    )


def largest_mean_gap(
    names: Sequence[str],
    samples: Sequence[NDArray[np.floating]],
    weights: Sequence[NDArray[np.float64]] | None = None,
) -> Gap | None:
    """Return the largest gap between the means of groups, with intervals of all pairs.

    Those of Games and Howell (1976): the Studentized range with Welch's degrees of freedom, so that
    variances may differ. The test is Welch's analysis of variance (1951). A weighted mean has the
    variance of a ratio of two sums, by linearisation, as in `Share.among`, and the degrees of
    freedom of its effective number of values (Kish 1965).

    Parameters
    ----------
    names : sequence of str
        K groups.
    samples : sequence of numpy.ndarray, each shape (n_k,)
        Values of each group; groups with fewer than two are left out.
    weights : sequence of numpy.ndarray, each shape (n_k,), float64, optional
        Above 0; equal by default.

    Returns
    -------
    Gap or None
        Without a ratio; None where fewer than two groups have two values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> gap = largest_mean_gap(("a", "b"), [rng.normal(0.5, 0.1, 200), rng.normal(0.7, 0.1, 200)])
    >>> gap.highest, round(gap.difference.value, 1), gap.p_value < 0.001
    ('b', 0.2, True)
    """
    used = [k for k, sample in enumerate(samples) if len(sample) > 1]
    if len(used) < 2:
        return None
    values = [samples[k].astype(np.float64) for k in used]
    parts = [np.ones(len(samples[k])) if weights is None else weights[k] for k in used]
    means, errors, free = np.array(
        [mean_with_error(*pair) for pair in zip(values, parts, strict=True)]
    ).T
    # Values that are all alike have means and errors that differ by rounding.
    least = _ROUNDING * max(float(np.abs(sample).max()) for sample in values)
    means = np.where(np.abs(means - means[0]) <= least, means[0], means)
    errors = np.where(errors <= least**2, 0.0, errors)
    order = np.argsort(-means, kind="stable")
    top, bottom = int(order[0]), int(order[-1])
    one, other = np.triu_indices(len(used), 1)
    both = errors[one] + errors[other]
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = both**2 / (errors[one] ** 2 / free[one] + errors[other] ** 2 / free[other])
    freedom = np.where(both > 0, freedom, np.inf)
    apart, scale = np.abs(means[one] - means[other]), np.sqrt(both / 2)
    own = int(np.flatnonzero((one == min(top, bottom)) & (other == max(top, bottom)))[0])
    reach = _studentized(len(used), freedom) * scale
    value = float(means[top] - means[bottom])
    constant = value == 0 and not errors.any()
    return Gap(
        highest=names[used[top]],
        lowest=names[used[bottom]],
        difference=Estimate(
            value, max(float((apart - reach).max()), 0.0), float((apart + reach).max())
        ),
        pair=Estimate(value, max(float(apart[own] - reach[own]), 0.0), value + float(reach[own])),
        ratio=Estimate.missing("of means"),
        p_value=1.0 if constant else _welch(means, errors, free),
    )


def _welch(
    means: NDArray[np.float64], errors: NDArray[np.float64], free: NDArray[np.float64]
) -> float:
    """Return the p-value of the hypothesis of one common mean (Welch 1951).

    A group whose values are all alike is taken to vary as all groups together do.

    Parameters
    ----------
    means, errors, free : numpy.ndarray, shape (K,), float64
        Of each group, as from `mean_with_error`.
    """
    pooled = float(free @ (errors * (free + 1)) / free.sum())
    if pooled == 0:
        return 0.0
    trust = 1 / np.where(errors > 0, errors, pooled / (free + 1))
    parts, groups = trust / trust.sum(), len(means)
    apart = float(trust @ np.square(means - parts @ means)) / (groups - 1)
    doubt = float((np.square(1 - parts) / free).sum()) / (groups**2 - 1)
    return float(f.sf(apart / (1 + 2 * (groups - 2) * doubt), groups - 1, 1 / (3 * doubt)))


def ratio_interval(
    counts: NDArray[Any],
    trials: NDArray[Any],
    other_counts: NDArray[Any],
    other_trials: NDArray[Any],
    critical: float,
) -> Bounds:
    """Return Walter's adjusted logarithmic interval of a ratio of two rates (1975).

    Half an event and half a trial are added to each group, so that it exists without events. Where
    all trials of both are events, one more trial is.

    Parameters
    ----------
    counts, trials, other_counts, other_trials, critical
        As for `newcombe_interval`.

    Returns
    -------
    low, high : numpy.ndarray, shape (P,), float64
        Of the first rate over the second, above 0.
    """
    # Where all trials of both are events, one more keeps the interval from being a point.
    more = (counts >= trials) & (other_counts >= other_trials)
    a, n, b, m = counts + 0.5, trials + 0.5 + more, other_counts + 0.5, other_trials + 0.5 + more
    log_ratio = np.log(a / n) - np.log(b / m)
    reach = critical * np.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    return np.exp(log_ratio - reach), np.exp(log_ratio + reach)


@cache
def pair_error(groups: int) -> float:
    """Return the error of one pair's interval at which all pairs' hold simultaneously.

    From the distribution of the Studentized range of `groups` normal values.

    Examples
    --------
    >>> round(pair_error(2), 3), round(pair_error(6), 4)
    (0.05, 0.0044)
    """
    reach = float(_studentized(groups, np.array([np.inf]))[0]) / np.sqrt(2)
    return 2 * float(norm.sf(reach))


def _studentized(groups: int, freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of the Studentized range at `CONFIDENCE`; of two groups they are Student's.

    A quantile of more groups takes a fifth of a second. It is almost linear in 1 / freedom, and
    convex, so that it is interpolated between powers of two. That errs to the safe side, by less
    than 1 % from 8 degrees of freedom on, and by 5 % below.

    Parameters
    ----------
    groups : int
    freedom : numpy.ndarray, shape (P,), float64
        Degrees of freedom, at least 1.
    """
    if groups == 2:
        return np.asarray(np.sqrt(2) * t.ppf((1 + CONFIDENCE) / 2, freedom))
    below = 2.0 ** np.floor(np.log2(np.minimum(freedom, _MANY)))
    above = np.where(below < _MANY, 2 * below, np.inf)
    low, high = (np.array([_node(groups, float(d)) for d in part]) for part in (below, above))
    part = (1 / below - 1 / freedom) / (1 / below - 1 / above)
    return np.asarray(low + part * (high - low))


@cache
def _node(groups: int, freedom: float) -> float:
    return float(studentized_range.ppf(CONFIDENCE, groups, freedom))


def equal_rates(counts: NDArray[np.int64], trials: NDArray[np.int64], seed: int = 0) -> float:
    """Return the p-value of the hypothesis that all groups have one rate.

    Fisher's exact test for two groups, Pearson's chi-square for more. Where an expected count is
    under 5, the distribution of chi-square given the margins is simulated (Hope 1968).

    Parameters
    ----------
    counts, trials : numpy.ndarray, shape (K,), int64
        Trials at least 1.
    seed : int
        Of the simulation, in [0, 2**63).

    Examples
    --------
    >>> equal_rates(np.array([5, 5, 5]), np.array([100, 100, 100]))
    1.0
    """
    table = np.stack([counts, trials - counts])
    if not table.sum(axis=1).all():
        return 1.0
    if len(trials) == 2:
        return float(fisher_exact(table).pvalue)
    total = int(counts.sum())
    expected = trials * total / trials.sum()
    if min(expected.min(), (trials - expected).min()) >= _FEW:
        return float(chi2_contingency(table, correction=False).pvalue)
    drawn = generator_for(seed, Stream.GAP_TEST).multivariate_hypergeometric(
        trials, total, size=SIMULATIONS
    )
    distance = ((drawn - expected) ** 2 / trials).sum(axis=1)
    found = float(((counts - expected) ** 2 / trials).sum())
    # The factor counts draws that equal the observed table but for rounding.
    return float((1 + (distance >= found * (1 - 1e-9)).sum()) / (1 + SIMULATIONS))


def against_rest(counts: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """Return the p-value of each group's rate against that of all others pooled.

    Fisher's exact test, adjusted over the groups by Holm's method.

    Parameters
    ----------
    counts, trials : array_like of int, shape (K,)
        Events and trials of each group.

    Returns
    -------
    numpy.ndarray, shape (K,), float64
        NaN for a group without trials, and where no other group has any.

    Examples
    --------
    >>> against_rest([30, 10, 12, 0], [100, 100, 100, 0]).round(3).tolist()
    [0.0, 0.045, 0.105, nan]
    """
    events, n = np.asarray(counts, np.int64), np.asarray(trials, np.int64)
    found = np.full(len(n), np.nan)
    for k in np.flatnonzero((n > 0) & (n < n.sum())):
        rest, others = events.sum() - events[k], n.sum() - n[k]
        found[k] = fisher_exact([[events[k], n[k] - events[k]], [rest, others - rest]]).pvalue
    return holm(found)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for the number of tests by Holm's method (1979).

    With all hypotheses true, the smallest adjusted p-value is under `ERROR` with at most that
    probability. NaN stays NaN and does not count as a test.

    Parameters
    ----------
    p_values : array_like, shape (T,)
        In [0, 1], or NaN.

    Returns
    -------
    numpy.ndarray, shape (T,), float64

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    found = np.array(p_values, np.float64)
    tested = ~np.isnan(found)
    if tested.any():
        p = found[tested]
        order = np.argsort(p, kind="stable")
        p[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
        found[tested] = p
    return found

"""Gaps between groups: the largest difference and ratio of their rates, and tests.

All are free functions of counts: of the events of each group, and of its trials.

The statistics that audits take from kept libraries, which are an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2_contingency, fisher_exact, norm, studentized_range

from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.plugins import load_library
from equipoise.core.seeds import Stream, generator_for

ERROR = 1 - CONFIDENCE
"""Chance at most that any test of a family rejects what is true."""

_SIMULATIONS = 9999
_FEW = 5.0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far the rates of groups lie apart.

    Attributes
    ----------
    highest, lowest : str
        The groups of the largest and the smallest rate.
    difference : Estimate
        Largest rate less smallest, in [0, 1]; fairlearn's `difference`.
    pair : Estimate
        The same with the interval of these two groups alone, as one of all pairs; its lower end is
        no higher.
    ratio : Estimate
        Largest rate over smallest, at least 1; infinite where the smallest is 0. fairlearn's
        `ratio` is its inverse.
    p_value : float
        That all groups have one rate; for this test alone.
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
    """Return the largest gap between groups, with intervals that know that it was chosen.

    Each two groups have Newcombe's hybrid score interval of the difference (1998, method 10) and
    Walter's adjusted logarithmic one of the ratio (1975), both with the critical value of the
    Studentized range over the square root of 2, so that all pairs hold at once (Agresti, Bini,
    Bertaccini and Ryu 2008, "Simultaneous confidence intervals for comparing binomial parameters",
    Biometrics 64). When all hold, the largest true difference lies between the largest lower and
    the largest upper end of any pair: that is its interval, and likewise the ratio's. The estimate
    itself, a maximum, is too large on average where true gaps are small; a bootstrap of it is
    centred there, and so is not used.

    Parameters
    ----------
    names : sequence of str
        K groups.
    counts, trials : array_like of int, shape (K,)
        Events, and how many there could have been; groups without trials are left out.
    seed : int
        Of the simulated test.

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
    there = np.flatnonzero(n > 0)
    if len(there) < 2:
        return None
    events, n = events[there], n[there]
    rates = events / n
    order = np.argsort(-rates, kind="stable")
    top, bottom = int(order[0]), int(order[-1])
    one, other = (
        pair.ravel() for pair in np.meshgrid(np.arange(len(n)), np.arange(len(n)), indexing="ij")
    )
    one, other = one[one != other], other[one != other]
    alpha = pair_error(len(n))
    pairs = (events[one], n[one], events[other], n[other])
    intervals = audit_library("statsmodels.stats.proportion").confint_proportions_2indep
    low, high = intervals(*pairs, compare="diff", method="newcomb", alpha=alpha)
    value = float(rates[top] - rates[bottom])
    difference = Estimate(value, max(float(low.max()), 0.0), float(high.max()))
    own = int(np.flatnonzero((one == top) & (other == bottom))[0])
    pair = Estimate(value, max(float(low[own]), 0.0), float(high[own]))
    low, high = intervals(*pairs, compare="ratio", method="log-adjusted", alpha=alpha)
    if rates[top] == 0:
        ratio = Estimate.missing("no event in any group")
    else:
        times = float(rates[top] / rates[bottom]) if rates[bottom] else np.inf
        ratio = Estimate(times, max(float(low.max()), 1.0), float(high.max()))
    tested = equal_rates(events, n, seed)
    return Gap(
        highest=names[there[top]],
        lowest=names[there[bottom]],
        difference=difference,
        pair=pair,
        ratio=ratio,
        p_value=tested,
    )


@cache
def pair_error(groups: int) -> float:
    """Return the error of each pair's interval at which those of all pairs hold together.

    Examples
    --------
    >>> round(pair_error(2), 3), round(pair_error(6), 4)
    (0.05, 0.0044)
    """
    reach = float(studentized_range.ppf(CONFIDENCE, groups, np.inf)) / np.sqrt(2)
    return 2 * float(norm.sf(reach))


def equal_rates(counts: NDArray[np.int64], trials: NDArray[np.int64], seed: int = 0) -> float:
    """Return the p-value of "all groups have one rate".

    Fisher's exact test for two groups; Pearson's chi-square for more, simulated given the margins
    where an expected count is under 5 (Hope 1968), which is exact up to its 9,999 draws.

    Parameters
    ----------
    counts, trials : numpy.ndarray, shape (K,), int64
        Trials at least 1.

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
        trials, total, size=_SIMULATIONS
    )
    distance = ((drawn - expected) ** 2 / trials).sum(axis=1)
    found = float(((counts - expected) ** 2 / trials).sum())
    return float((1 + (distance >= found * (1 - 1e-9)).sum()) / (1 + _SIMULATIONS))


def against_rest(counts: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """Return Fisher's exact p-value of each group against all others together, by Holm, shape (K,).

    AttributeGrid without trials, or alone, have NaN.

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
    """Adjust p-values so that any is under `ERROR` by chance at most that often (Holm 1979).

    NaN stays NaN, and counts as no test.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    found = np.array(p_values, np.float64)
    tested = ~np.isnan(found)
    if tested.any():
        # Not statsmodels' multipletests, which collects all garbage at every call: 0.2 s.
        p = found[tested]
        order = np.argsort(p, kind="stable")
        p[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
        found[tested] = p
    return found


def audit_library(module: str) -> Any:
    """Return a module of fairlearn or statsmodels.

    Raises
    ------
    InputError
        When it is not installed.
    """
    return load_library("audits", module, 'Run `pip install "equipoise[audit]"`.')

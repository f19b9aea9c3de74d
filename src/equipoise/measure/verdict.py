"""Whether a mix meets its target: a multinomial test, and a verdict within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.intervals import critical_value, simultaneous_intervals, unseen_needed

TOLERANCE = 0.02
"""Departure of a share from its target that counts as met, in absolute share."""

Code = Literal["meets", "misses", "undecided", "not_applicable"]
"""What a verdict can be."""

_MOST_OUTCOMES = 20_000
_SIMULATIONS = 10_000
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether shares meet a target.

    Attributes
    ----------
    code : str
        "meets": every simultaneous interval lies within `tolerance` of its target.
        "misses": some interval lies outside. "undecided": n is too small for either.
        "not_applicable": there is no target, or no known image.
    words : str
        The same as a sentence.
    tolerance : float
        Largest tolerated difference between a share and its target.
    p_value : float
        Of the multinomial test that the shares are exactly the target; NaN when not applicable.
    decisive_n : int or None
        Images that would decide, if the true shares are the observed ones; None when decided, or
        when a share is exactly at the tolerance.
    """

    code: Code
    words: str
    tolerance: float
    p_value: float
    decisive_n: int | None


def multinomial_test(counts: ArrayLike, target: ArrayLike) -> float:
    """Return the p-value of the likelihood-ratio test that counts were drawn from the target.

    Exact over all outcomes where there are at most 20,000, else by 10,000 simulated ones, the
    observed one counted among them (Davison and Hinkley 1997, section 4.2). Uniform on (0, 1]
    or larger under the target.

    Parameters
    ----------
    counts : array_like of int, shape (K,)
    target : array_like, shape (K,)
        Sums to 1.

    Examples
    --------
    >>> round(multinomial_test([8, 2], [0.5, 0.5]), 4)
    0.1094
    """
    found, shares = np.asarray(counts, np.int64), np.asarray(target, np.float64)
    n, cells = int(found.sum()), len(found)
    if n == 0:
        return float("nan")
    if (found[shares == 0] > 0).any():
        return 0.0
    observed = _deviance(found[None], shares)[0] - 1e-9
    if comb(n + cells - 1, cells - 1) <= _MOST_OUTCOMES:
        outcomes = _compositions(n, cells)
        chances = np.exp(
            gammaln(n + 1) + (xlogy(outcomes, shares) - gammaln(outcomes + 1)).sum(axis=1)
        )
        return float(min(chances[_deviance(outcomes, shares) >= observed].sum(), 1.0))
    drawn = generator_for(0, Stream.MULTINOMIAL_TEST).multinomial(n, shares, size=_SIMULATIONS)
    as_far = int((_deviance(drawn, shares) >= observed).sum())
    return (1 + as_far) / (1 + _SIMULATIONS)


def judge(counts: ArrayLike, target: ArrayLike | None, tolerance: float = TOLERANCE) -> Verdict:
    """Return the verdict on counts of cells, shape (K,), against a target, shape (K,)."""
    found = np.asarray(counts, np.int64)
    n = int(found.sum())
    if target is None or n == 0:
        missing = "there is no target" if target is None else "there is no known image"
        return Verdict(
            code="not_applicable",
            words=f"not applicable: {missing}",
            tolerance=tolerance,
            p_value=np.nan,
            decisive_n=None,
        )
    shares = np.asarray(target, np.float64)
    p_value = multinomial_test(found, shares)
    low, high = simultaneous_intervals(found)
    points = f"{100 * tolerance:g} points"
    if ((low > shares + tolerance) | (high < shares - tolerance)).any():
        words = f"misses the target: some share is more than {points} away"
        return Verdict(
            code="misses", words=words, tolerance=tolerance, p_value=p_value, decisive_n=None
        )
    if ((low >= shares - tolerance) & (high <= shares + tolerance)).all():
        words = f"meets the target: every share is within {points}"
        return Verdict(
            code="meets", words=words, tolerance=tolerance, p_value=p_value, decisive_n=None
        )
    needed = _decisive_n(found, shares, tolerance)
    more = "" if needed is None else f"; about {needed:,} images would decide"
    words = f"leaves the target undecided within {points}: {n:,} images are too few{more}"
    return Verdict(
        code="undecided", words=words, tolerance=tolerance, p_value=p_value, decisive_n=needed
    )


def _decisive_n(
    counts: NDArray[np.int64], target: NDArray[np.float64], tolerance: float
) -> int | None:
    """Return the n at which the verdict falls, if the true shares are the observed ones.

    One cell that lies outside decides for "misses"; "meets" needs all cells.
    """
    n = counts.sum()
    observed = counts / n
    variance = (counts + 0.5) / (n + 1) * (1 - (counts + 0.5) / (n + 1))
    room = tolerance - np.abs(observed - target)
    if (np.abs(room) < 1e-6).any():
        return None
    critical = critical_value(tuple(counts.tolist()))
    needed = critical**2 * variance / room**2
    outside, empty, full = room < 0, counts == 0, counts == n
    # Of a cell without an image only the upper end moves, of one with all only the lower.
    to_be_under = np.where(outside, target - tolerance, target + tolerance)
    to_be_over = np.where(outside, target + tolerance, target - tolerance)
    if empty.any():
        bounds = to_be_under[empty].clip(_TINY, 1 - _TINY)
        needed[empty] = unseen_needed(bounds, int(empty.sum()))
        needed[full] = unseen_needed((1 - to_be_over[full]).clip(_TINY, 1 - _TINY), 1)
    deciding = needed[outside].min() if outside.any() else needed.max()
    return int(max(np.ceil(deciding), n + 1))


def _deviance(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the log likelihood ratio of each row of counts, shape (m,)."""
    n = counts.sum(axis=1, keepdims=True)
    return np.asarray(2 * (xlogy(counts, counts / n) - xlogy(counts, shares)).sum(axis=1))


def _compositions(n: int, cells: int) -> NDArray[np.int64]:
    """Return every way to split n images over the cells, one a row."""
    if cells == 1:
        return np.array([[n]])
    parts = [
        np.column_stack([np.full(len(rest), first), rest])
        for first in range(n + 1)
        for rest in [_compositions(n - first, cells - 1)]
    ]
    return np.concatenate(parts)

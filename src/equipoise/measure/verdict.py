"""Whether a mix meets its target: a multinomial test, and a verdict within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy
from scipy.stats import norm

from equipoise.core.numbers import number
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.intervals import critical_value, simultaneous_intervals, unseen_needed

TOLERANCE = 0.02
"""Departure of a share from its target that counts as met, in absolute share."""

RELATIVE = 0.2
"""The same as a part of the target, where that is less: a rare cell must not be lost unnoticed."""

Outcome = Literal["meets", "misses", "undecided", "not_applicable"]
"""What a verdict can be."""

_MOST_OUTCOMES = 20_000
_SIMULATIONS = 10_000
_LARGE = 1_000_000
_FAR = 10
"""Ratio from which on the larger number of deciding images is not printed."""

_MOST_MEASURED = 20_000

_PLAUSIBLE = 400
_CHANCE = 0.9
"""Draws of plausible true shares, and the chance of a decision at the stated numbers of images."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether shares meet a target.

    Attributes
    ----------
    outcome : str
        "meets": every simultaneous interval lies within the tolerance of its target.
        "misses": some interval lies outside. "undecided": n is too small for either.
        "not_applicable": there is no target, or no known image.
    words : str
        The same as a sentence.
    tolerance : float
        Largest tolerated difference between a share and its target.
    tolerances : tuple of float
        That of each cell: a fifth of the target where that is less; see `cell_tolerances`.
    p_value : float
        Of the multinomial test that the shares are exactly the target; NaN when not applicable.
    decisive_n : (int, int) or None
        From so many images on a decision is possible, and at so many it is likely: numbers that
        decide with a chance of 90 % for the luckiest and the least lucky tenth of the true shares
        that the counts leave plausible. None when decided.
    """

    outcome: Outcome
    words: str
    tolerance: float
    tolerances: tuple[float, ...]
    p_value: float
    decisive_n: tuple[int, int] | None


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


def cell_tolerances(target: ArrayLike, tolerance: float = TOLERANCE) -> NDArray[np.float64]:
    """Return the tolerance of each cell, shape (K,): a fifth of its target where that is less.

    A cell of target 0 has the least of the others.

    Examples
    --------
    >>> cell_tolerances([0.5, 0.49, 0.01, 0.0]).round(4).tolist()
    [0.02, 0.02, 0.002, 0.002]
    """
    shares = np.asarray(target, np.float64)
    found = np.minimum(tolerance, RELATIVE * shares)
    return np.where(shares > 0, found, found[shares > 0].min())


def decide(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    target: NDArray[np.float64],
    room: NDArray[np.float64],
) -> Outcome:
    """Return what intervals of K shares decide, each array of shape (K,).

    "misses" where one lies outside the `room` around its target, "meets" where all lie inside.
    """
    if ((low > target + room) | (high < target - room)).any():
        return "misses"
    inside = ((low >= target - room) & (high <= target + room)).all()
    return "meets" if inside else "undecided"


def judge(counts: ArrayLike, target: ArrayLike | None, tolerance: float = TOLERANCE) -> Verdict:
    """Return the verdict on counts of cells, shape (K,), against a target, shape (K,)."""
    found = np.asarray(counts, np.int64)
    n = int(found.sum())
    if target is None or n == 0:
        missing = "there is no target" if target is None else "there is no known image"
        return Verdict(
            outcome="not_applicable",
            words=f"not applicable: {missing}",
            tolerance=tolerance,
            tolerances=(),
            p_value=np.nan,
            decisive_n=None,
        )
    shares = np.asarray(target, np.float64)
    room = cell_tolerances(shares, tolerance)
    p_value = multinomial_test(found, shares)
    low, high = simultaneous_intervals(found)
    points = f"{100 * tolerance:g} points"
    if (room < tolerance).any():
        points += f", or {RELATIVE:.0%} of its target where that is less"
    outcome = decide(low, high, shares, room)
    needed = None
    if outcome == "misses":
        words = f"misses the target: some share is farther from it than {points}"
    elif outcome == "meets":
        words = f"meets the target: every share is within {points}"
    else:
        needed = _decisive_n(found, shares, room)
        words = (
            f"leaves the target undecided within {points}: {n:,} images are too few; "
            f"{_in_words(needed)} would decide"
        )
    return Verdict(
        outcome=outcome,
        words=f"{words} (p = {number(p_value)} that it is met exactly)",
        tolerance=tolerance,
        tolerances=tuple(room.tolist()),
        p_value=p_value,
        decisive_n=needed,
    )


def measured_n(wanted: int | None, target: ArrayLike, tolerance: float = TOLERANCE) -> int:
    """Return the draws to measure: those that are wanted, by default those that decide.

    At most 20,000: a target with rare cells needs more, which the verdict then says.
    """
    return min(deciding_n(target, tolerance), _MOST_MEASURED) if wanted is None else wanted


def deciding_n(target: ArrayLike, tolerance: float = TOLERANCE) -> int:
    """Return the images at which a perfect sampler is found to meet its target nine times in ten.

    Each share must be so near that its simultaneous interval, of critical value c, lies within the
    tolerance t: n = (c + z)^2 p (1 - p) / t^2, where z is the normal quantile at which all cells
    are near enough with a chance of 90 % (Bonferroni).

    Parameters
    ----------
    target : array_like, shape (K,)
    tolerance : float

    Examples
    --------
    >>> deciding_n([0.5, 0.5])
    9782
    """
    shares = np.asarray(target, np.float64)
    room = cell_tolerances(shares, tolerance)
    wanted = (shares > 0) & (shares < 1)
    if not wanted.any():
        return int(np.ceil(unseen_needed(room.min(), max(len(shares) - 1, 1))))
    shares, room = shares[wanted], room[wanted]
    z = norm.isf((1 - _CHANCE) / (2 * len(shares)))
    counts = np.rint(shares * _LARGE).astype(int)
    critical = critical_value(tuple(counts.tolist()))
    spread = (critical + z) ** 2 * shares * (1 - shares)
    needed = spread / room**2
    # The centre of Wilson's interval lies nearer to 1/2 than the share, by about this much.
    needed = spread / (room - critical**2 * np.abs(0.5 - shares) / needed) ** 2
    return int(np.ceil(needed.max()))


def _decisive_n(
    counts: NDArray[np.int64], target: NDArray[np.float64], tolerances: NDArray[np.float64]
) -> tuple[int, int]:
    """Return from where on a decision is possible, and where it is likely.

    One cell that lies outside decides for "misses"; "meets" needs all cells. True shares are drawn
    from their posterior under Jeffreys' prior.
    """
    n = int(counts.sum())
    rng = generator_for(0, Stream.DECISIVE_SHARES)
    drawn = rng.dirichlet(counts + 0.5, _PLAUSIBLE)
    room = tolerances - np.abs(drawn - target)
    reach = (critical_value(tuple(counts.tolist())) + norm.ppf(_CHANCE)) ** 2
    # The second term is that of Wilson's interval, where the share itself is near 0.
    needed = reach * (drawn * (1 - drawn) / room**2 + 1 / np.abs(room))
    misses = np.where(room < 0, needed, np.inf).min(axis=1)
    deciding = np.where((room < 0).any(axis=1), misses, needed.max(axis=1))
    low, high = np.quantile(deciding, [1 - _CHANCE, _CHANCE])
    return max(_rounded(low), n + 1), max(_rounded(high), n + 2)


def _in_words(needed: tuple[int, int]) -> str:
    low, high = needed
    if high > _FAR * low:
        return f"at least {low:,}, and perhaps many times more,"
    return f"{low:,} to {high:,}"


def _rounded(value: float) -> int:
    """Return a number to two digits, rounded up: more would pretend to a precision."""
    step = 10 ** max(int(np.log10(value)) - 1, 0)
    return int(np.ceil(value / step) * step)


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

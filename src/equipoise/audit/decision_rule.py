"""The decision rule for all checks of an audit that have an interval: issue, tip or passed.

A gap, or the size of a change, is an issue when three conditions hold: its test rejects after
Holm's correction over all tests of the audit, its estimate exceeds the tolerance, and its
simultaneous interval lies above 0. It has passed when that interval lies within the tolerance.
Everything else is a tip: the gap is significant but small, or too few images were used to exclude
it. If there is no gap at all, the probability that an audit reports an issue is at most 5 %.
"""

from __future__ import annotations

from equipoise.core.checks import Outcome
from equipoise.core.estimates import Estimate
from equipoise.stats.group_gaps import ERROR


def outcome_of(found: Estimate, p_value: float, tolerance: float) -> Outcome:
    """Return "issue", "tip" or "passed".

    Parameters
    ----------
    found : Estimate
        A gap or the size of a change, at least 0.
    p_value : float
        Adjusted by Holm's method.
    tolerance : float
        Largest gap that is tolerated, in [0, 1).

    Examples
    --------
    >>> found = Estimate(0.15, 0.10, 0.20)
    >>> [outcome_of(found, 0.001, tolerance) for tolerance in (0.05, 0.16, 0.2)]
    ['issue', 'tip', 'passed']
    """
    if found.high <= tolerance:
        return "passed"
    return "issue" if is_shown(found, p_value) and found.value > tolerance else "tip"


def is_shown(found: Estimate, p_value: float) -> bool:
    """Return whether a gap is significant, by its test and its interval, at any size."""
    return p_value < ERROR and found.low > 0


def size_of(change: Estimate) -> Estimate:
    """Return the absolute value of a change, with its interval.

    Examples
    --------
    >>> found = size_of(Estimate(-0.15, -0.20, 0.02))
    >>> found.value, found.low, found.high
    (0.15, 0.0, 0.2)
    """
    return Estimate(
        abs(change.value), max(0.0, change.low, -change.high), max(change.high, -change.low)
    )

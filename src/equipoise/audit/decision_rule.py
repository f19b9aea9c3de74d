"""The rule that tells an issue from a tip, for every check of an audit that has an interval.

A gap, or the size of a change, is an issue when three things hold: its test rejects after Holm's
correction over all tests of the audit; the estimate is over the tolerance; and its simultaneous
interval lies above 0. It passes when that interval lies wholly within the tolerance. All else is a
tip: seen but small or unsure, or not excluded by so few images. Where nothing is wrong, an audit
raises an issue with a chance of at most 5 %.
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
        Of a gap or a size, at least 0.
    p_value : float
        By Holm.
    tolerance : float
        In [0, 1).

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
    """Return whether there is a gap at all, whatever is tolerated."""
    return p_value < ERROR and found.low > 0


def size_of(change: Estimate) -> Estimate:
    """Return how far a change is from 0, either way.

    Examples
    --------
    >>> found = size_of(Estimate(-0.15, -0.20, 0.02))
    >>> found.value, found.low, found.high
    (0.15, 0.0, 0.2)
    """
    return Estimate(
        abs(change.value), max(0.0, change.low, -change.high), max(change.high, -change.low)
    )

"""Numbers as text: one format for reports, tables, messages and the command line.

A missing number is None or NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

NOT_APPLICABLE = "not applicable"
"""Text of a missing number."""


class HasInterval(Protocol):
    """A value and the ends of its interval, NaN where it has none."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


def is_missing(value: float | None) -> bool:
    """Return whether a number is missing: None or NaN."""
    return value is None or math.isnan(value)


def percent(
    value: float | None, digits: int = 1, *, signed: bool = False, missing: str = NOT_APPLICABLE
) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> percent(0.125), percent(None), percent(0.02, signed=True)
    ('12.5%', 'not applicable', '+2.0%')
    """
    if value is None or math.isnan(value):
        return missing
    return f"{value:{'+' if signed else ''}.{digits}%}"


def number(value: float | None, digits: int = 3, *, missing: str = NOT_APPLICABLE) -> str:
    """Return a number with some significant digits.

    Examples
    --------
    >>> number(0.12345), number(float("inf")), number(float("nan"), missing="-")
    ('0.123', 'infinite', '-')
    """
    if value is None or math.isnan(value):
        return missing
    return f"{value:.{digits}g}" if math.isfinite(value) else "infinite"


def decimals(value: float | None, digits: int = 2, *, missing: str = NOT_APPLICABLE) -> str:
    """Return a number with a fixed number of decimals; infinity counts as missing.

    Examples
    --------
    >>> decimals(1.005, 1), decimals(float("inf"), missing="-")
    ('1.0', '-')
    """
    return missing if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def p_text(value: float | None, *, missing: str = NOT_APPLICABLE) -> str:
    """Return a p-value with two significant digits.

    Examples
    --------
    >>> p_text(0.01234)
    '0.012'
    """
    return number(value, 2, missing=missing)


def interval(
    low: float | None,
    high: float | None,
    write: Callable[[float | None], str] = percent,
    *,
    missing: str = NOT_APPLICABLE,
) -> str:
    """Return the ends of an interval.

    Examples
    --------
    >>> interval(0.25, 0.75), interval(float("nan"), float("nan"), missing="-")
    ('25.0% to 75.0%', '-')
    """
    return missing if is_missing(low) else f"{write(low)} to {write(high)}"


def estimate(
    found: HasInterval,
    write: Callable[[float | None], str] = number,
    *,
    times: float = 1,
    missing: str = NOT_APPLICABLE,
) -> str:
    """Return an estimate, with its interval where it has one.

    Parameters
    ----------
    found : Estimate
    write : callable
        Text of each number: `number` or `percent`.
    times : float
        Factor of each number.
    missing : str
        Text of a missing value.

    Examples
    --------
    >>> from equipoise.core.estimates import Estimate
    >>> estimate(Estimate(0.5, 0.25, 0.75)), estimate(Estimate(0.5), percent)
    ('0.5 (0.25 to 0.75)', '50.0%')
    """
    if is_missing(found.value):
        return missing
    value = write(times * found.value)
    if is_missing(found.low):
        return value
    return f"{value} ({interval(times * found.low, times * found.high, write)})"

"""How numbers are written for people: shares, estimates with their intervals, p-values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

MISSING = "not applicable"
"""What stands for a number that there is not."""


class HasInterval(Protocol):
    """A value with the ends of its interval, NaN where there is none."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


def is_missing(value: float | None) -> bool:
    """Return whether there is no number: None or NaN."""
    return value is None or math.isnan(value)


def percent(
    value: float | None, digits: int = 1, *, signed: bool = False, missing: str = MISSING
) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.125), percent(None), percent(0.02, signed=True)
    ('12.5%', 'not applicable', '+2.0%')
    """
    if value is None or math.isnan(value):
        return missing
    return f"{value:{'+' if signed else ''}.{digits}%}"


def number(value: float | None, digits: int = 3, *, missing: str = MISSING) -> str:
    """Write a number to some significant digits.

    Examples
    --------
    >>> number(0.12345), number(float("inf")), number(float("nan"), missing="-")
    ('0.123', 'infinite', '-')
    """
    if value is None or math.isnan(value):
        return missing
    return f"{value:.{digits}g}" if math.isfinite(value) else "infinite"


def fixed(value: float | None, digits: int = 2, *, missing: str = MISSING) -> str:
    """Write a number to some decimals; an infinite one is missing.

    Examples
    --------
    >>> fixed(1.005, 1), fixed(float("inf"), missing="-")
    ('1.0', '-')
    """
    return missing if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def p_value(value: float | None, *, missing: str = MISSING) -> str:
    """Write a p-value to two significant digits.

    Examples
    --------
    >>> p_value(0.01234)
    '0.012'
    """
    return number(value, 2, missing=missing)


def interval(
    low: float | None,
    high: float | None,
    write: Callable[[float | None], str] = percent,
    *,
    missing: str = MISSING,
) -> str:
    """Write the ends of an interval.

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
    missing: str = MISSING,
) -> str:
    """Write an estimate, with its interval where it has one.

    Parameters
    ----------
    found : Estimate
    write : callable
        Writes each number: `number` or `percent`.
    times : float
        What each number is multiplied by first.
    missing : str
        What stands for a value that there is not.

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

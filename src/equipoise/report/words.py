"""Stored numbers as words; null is "not applicable"."""

from __future__ import annotations

from typing import Any


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.125), percent(None)
    ('12.5%', 'not applicable')
    """
    return "not applicable" if value is None else f"{value:.{digits}%}"


def number(value: float | str | None) -> str:
    """Write a number to three figures; "infinite" is stored as that word."""
    if value is None:
        return "not applicable"
    return value if isinstance(value, str) else f"{value:.3g}"


def estimate(found: dict[str, Any]) -> str:
    """Write a stored `Estimate`, with its interval where it has one.

    Examples
    --------
    >>> estimate({"value": 0.5, "low": 0.25, "high": 0.75, "note": ""})
    '0.5 (0.25 to 0.75)'
    """
    if found["low"] is None:
        return number(found["value"])
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"

"""Numbers as text: one format for reports, tables, messages and the command line.

A missing number is None, as JSON stores it, or NaN.
"""

from __future__ import annotations

from collections.abc import Callable

NOT_APPLICABLE = "not applicable"
"""Text of a missing number."""


def percent(value: float | None, digits: int = 1, missing: str = NOT_APPLICABLE) -> str:
    """Return a share as text.

    Parameters
    ----------
    value : float or None
    digits : int
        After the decimal point.
    missing : str
        Text where there is no value.

    Examples
    --------
    >>> percent(0.125), percent(None), percent(float("nan"), missing="-")
    ('12.5%', 'not applicable', '-')
    """
    return missing if value is None or value != value else f"{value:.{digits}%}"


def number(value: float | str | None, missing: str = NOT_APPLICABLE) -> str:
    """Return a number with three significant digits; text such as "infinite" is unchanged.

    Examples
    --------
    >>> number(0.12345), number(1234.5), number("infinite"), number(None)
    ('0.123', '1.23e+03', 'infinite', 'not applicable')
    """
    if value is None or value != value:
        return missing
    return value if isinstance(value, str) else f"{value:.3g}"


def decimals(value: float | None, digits: int = 2, missing: str = NOT_APPLICABLE) -> str:
    """Return a number with a fixed number of decimals; infinity counts as missing.

    Examples
    --------
    >>> decimals(2.345, 1), decimals(float("inf"), missing="-")
    ('2.3', '-')
    """
    finite = value is not None and abs(value) < float("inf")
    return f"{value:.{digits}f}" if finite else missing


def with_interval(
    value: float | str | None,
    low: float | str | None,
    high: float | str | None,
    form: Callable[..., str] = number,
) -> str:
    """Return a number with its interval, or alone where it has none.

    Parameters
    ----------
    value, low, high : float, str or None
    form : callable
        `number` or `percent`.

    Examples
    --------
    >>> with_interval(0.5, 0.25, 0.75), with_interval(0.5, 0.25, 0.75, percent)
    ('0.5 (0.25 to 0.75)', '50.0% (25.0% to 75.0%)')
    >>> with_interval(0.5, None, None)
    '0.5'
    """
    if low is None or low != low:
        return form(value)
    return f"{form(value)} ({form(low)} to {form(high)})"

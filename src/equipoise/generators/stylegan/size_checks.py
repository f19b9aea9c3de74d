"""Rules of single sizes of a network: each names the size that breaks it."""

from __future__ import annotations

import numpy as np

from equipoise.core.errors import InputError, check_count

REMEDY = "Give the sizes that the network was trained with."

WIDEST = 8192
"""Limit on widths that a file may ask for; chosen by hand, above published networks."""

COLOURS = (1, 3, 4)
"""Channels that images may have: grey, RGB, or RGB and opacity."""


def check_colours(name: str, value: int) -> None:
    """Check that images are grey, RGB or RGBA.

    Raises
    ------
    InputError
        When they are not; the error names `name`.
    """
    if value not in COLOURS:
        rule = "must be 1 (grey), 3 (RGB) or 4 (RGB and opacity)"
        raise InputError(name, rule, value, "Use a network of pictures.")


def check_widths(channels: tuple[int, ...]) -> None:
    """Check that each width is a whole number from 1 to 8192.

    Raises
    ------
    InputError
        When one is not; the error names it.
    """
    for number, width in enumerate(channels):
        check_between(f"channels[{number}]", width, 1, WIDEST)


def check_between(name: str, value: int, least: int, most: int) -> None:
    """Check that a size is a whole number from `least` to `most`.

    Raises
    ------
    InputError
        When it is not; the error names it.
    """
    if check_count(name, value, REMEDY, least=least) > most:
        raise InputError(name, f"must be at most {most}", value, REMEDY)


def check_positive(name: str, value: float | None) -> None:
    """Check that a number is None, or finite and above 0.

    Raises
    ------
    InputError
        When it is not; the error names it.
    """
    if value is not None and not 0 < value < np.inf:
        raise InputError(name, "must be above 0", value, REMEDY)

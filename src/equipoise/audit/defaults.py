"""What audits take where nothing is given: for their records, and for the command line.

It imports nothing heavy, since every command reads it.
"""

from __future__ import annotations

from equipoise.core.errors import InputError

TOLERANCE = 0.05
"""Gap that is tolerated. A convention: rates that differ by less are seldom called unequal."""

IMAGES = 1200
"""Verified images that are drawn for an audit of a sampler."""

FACES = 200
"""Faces that an attribute is varied on."""

PER_CELL = 40
"""Images of each cell that are restored: a search takes seconds for each."""


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance outside [0, 1).

    Raises
    ------
    InputError
        When it is.
    """
    if not 0 <= tolerance < 1:
        raise InputError("tolerance", "must be in [0, 1)", tolerance, f"Pass {TOLERANCE:g}.")

"""Whether a code's image is its own: the same beside other codes, and at a second call."""

from __future__ import annotations

import numpy as np

from equipoise.core.errors import ModelOutputError
from equipoise.generators.base import Generator, generate

NEAR = 2
"""Grey levels by which float rounding in another batch may change a pixel."""


def check_neighbours(generator: Generator) -> None:
    """Generate one code in two batches of two, at another place and beside another code.

    Parameters
    ----------
    generator : Generator

    Raises
    ------
    ModelOutputError
        When a pixel of its image changes by more than `NEAR` grey levels.
    """
    codes = generator.prior.codes(0, 0, 3)
    first, moved = generate(generator, codes[:2]), generate(generator, codes[[2, 0]])
    change = int(np.abs(first[0].astype(np.int16) - moved[1]).max())
    if change <= NEAR:
        return
    again = generate(generator, codes[:2])
    if np.abs(first.astype(np.int16) - again).max() > NEAR:
        rule, remedy = "at each call", "Export it with its noise fixed, and in evaluation mode."
    else:
        rule = "whatever the other codes of its batch"
        remedy = "Export it in evaluation mode: `network.eval()` before (batch normalisation)."
    raise ModelOutputError(
        f"generator {generator.name!r}",
        f"must return the same image for the same code {rule}",
        f"pixels that change by up to {change} of 255",
        remedy,
    )

"""Faces of the toy that are accepted more often the clearer they are, with weights that undo it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.generators.toy import ToyGenerator

TOY = ToyGenerator()
BY = AttributeGrid(TOY.grid.attributes[:2])
_CANDIDATES = 240
"""Candidates for a face of each cell: enough for the rarest one."""

Codes = NDArray[np.float32]
Floats = NDArray[np.float64]


def clearness(codes: Codes) -> Floats:
    """Return what acceptance follows, shape (n,): a coordinate that no attribute follows.

    What follows it is therefore alike in all cells.
    """
    return TOY.stem(codes)[:, -1].astype(np.float64)


def cells_of(codes: Codes) -> NDArray[np.int64]:
    """Return the cells of `BY`, shape (n,)."""
    return BY.cell_of(TOY.levels(codes)[:, :2])


def accepted(seed: int, per_cell: int) -> tuple[Codes, Floats]:
    """Return the codes and the weights of as many accepted faces of each cell, cell by cell."""
    codes = TOY.prior.codes(seed, 0, _CANDIDATES * per_cell)
    chance = np.clip(0.5 + 0.2 * clearness(codes), 0.15, 1.0)
    taken = np.random.default_rng(seed).random(len(codes)) < chance
    cells = cells_of(codes)
    rows = [np.flatnonzero(taken & (cells == k))[:per_cell] for k in range(BY.size)]
    every = np.concatenate(rows)
    return codes[every], 1 / chance[every]

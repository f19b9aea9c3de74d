"""Pictures of each cell: originals, what was left of them, and what became of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.material import Pictures
from equipoise.audit.superres.record import Triplets
from equipoise.groups import Groups
from equipoise.report.pictures import COLUMNS, write_sheet
from equipoise.superres.reduce import reduced


def write_triplets(
    originals: Pictures,
    restored: Pictures,
    by: Groups,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    factor: int,
    folder: Path,
) -> tuple[Triplets, ...]:
    """Write a sheet of three rows a cell: original, low, restored; flipped images come first.

    Parameters
    ----------
    originals, restored : Pictures
        n images each.
    by : Groups
        The cells.
    before, after : numpy.ndarray, shape (n,), int64
        The cell of each original, and of each restored image; -1 where the panel abstains.
    factor : int
    folder : Path
        Of the audit; sheets go to `pictures/` there.

    Returns
    -------
    tuple of Triplets
        The highest rate of flips first.
    """
    flipped = (after >= 0) & (after != before)
    found = []
    for k in np.unique(before).tolist():
        rows = np.flatnonzero(before == k)
        shown = rows[np.argsort(~flipped[rows], kind="stable")][:COLUMNS].tolist()
        images = originals.images(shown)
        low = reduced(images, factor).repeat(factor, axis=2).repeat(factor, axis=3)
        marked = np.zeros((3, len(shown)), bool)
        marked[2] = flipped[shown]
        sheet = np.concatenate([images, low, restored.images(shown)])
        name = f"restored-cell-{k}.png"
        write_sheet(folder / "pictures" / name, sheet, len(shown), marked.ravel())
        known = int((after[rows] >= 0).sum())
        found.append(Triplets(by.cells[k], int(flipped[rows].sum()), known, name))
    return tuple(sorted(found, key=lambda t: -t.count / max(t.n, 1)))

"""Contact sheets of wrongly answered images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.material import Material
from equipoise.audit.rates import Compared
from equipoise.audit.record import Wrong
from equipoise.groups import Groups
from equipoise.report.pictures import COLUMNS, write_sheet

_ROWS = 2


def write_wrong(
    compared: Compared, material: Material, by: Groups, cells: NDArray[np.int64], folder: Path
) -> tuple[Wrong, ...]:
    """Write a sheet of the first wrongly answered images of each cell that has some.

    Parameters
    ----------
    compared : Compared
        On n images.
    material : Material
        Those images.
    by : Groups
        The cells.
    cells : numpy.ndarray, shape (n,), int64
        The cell of each image.
    folder : Path
        Of the audit; sheets go to `pictures/` there.

    Returns
    -------
    tuple of Wrong
        The highest error rate first.
    """
    judged = (compared.truth >= 0) & (compared.answers >= 0)
    wrong = judged & (compared.truth != compared.answers)
    found = []
    for k in np.unique(cells[wrong]).tolist():
        rows = np.flatnonzero(wrong & (cells == k))
        name = f"wrong-cell-{k}.png"
        images = material.images(rows[: COLUMNS * _ROWS].tolist())
        write_sheet(folder / "pictures" / name, images)
        found.append(Wrong(by.cells[k], len(rows), int((judged & (cells == k)).sum()), name))
    return tuple(sorted(found, key=lambda w: -w.count / w.n))

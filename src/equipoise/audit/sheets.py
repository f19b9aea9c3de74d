"""Contact sheets of an audit: misclassified images, and faces whose prediction changed.

The summary of predictions on counterfactual sets is here too, because each of its effects has
sheets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.effects import Effect, effects
from equipoise.audit.counterfactuals.folder import CounterfactualFolder
from equipoise.audit.images import AuditImages
from equipoise.audit.rates import PredictionsVsReference
from equipoise.audit.record import Counterfactuals, FlippedSheet, MisclassifiedSheet, SearchYield
from equipoise.core.attributes import AttributeGrid
from equipoise.report.contact_sheets import COLUMNS, write_sheet

_ROWS = 2
"""Rows of a contact sheet."""

PAIRS_SHOWN = COLUMNS * _ROWS // 2
"""Faces of a sheet of flips, at most."""


def summarise_counterfactuals(
    sets: CounterfactualFolder,
    grid: AttributeGrid,
    predicted: NDArray[np.int8],
    confidence: NDArray[np.float32],
    levels: tuple[str, ...],
    folder: Path,
) -> Counterfactuals:
    """Return effects and yields of counterfactual sets, and write sheets of changed predictions.

    Parameters
    ----------
    sets : CounterfactualFolder
        m faces at L levels.
    grid : AttributeGrid
        The cells of the faces at their start.
    predicted : numpy.ndarray, shape (m * L,), int8
        Audited levels, face by face; negative where there is none.
    confidence : numpy.ndarray, shape (m * L,), float32
    levels : tuple of str
        The audited levels.
    folder : Path
        Of the audit; sheets are written to `pictures/` in it.
    """
    rows = predicted.reshape(len(sets), len(sets.levels))
    found = effects(sets.attribute, sets.levels, rows, confidence.reshape(rows.shape), levels)
    complete = np.bincount(sets.cells, minlength=grid.size)
    yields = [
        SearchYield(cell=cell, tried=int(tried), kept=int(count))
        for cell, tried, count in zip(grid.cells, sets.tried, complete, strict=True)
        if tried
    ]
    sheets = [
        sheet for effect in found for sheet in _write_flipped(effect, sets, rows, levels, folder)
    ]
    return Counterfactuals(
        attribute=sets.attribute,
        n=len(sets),
        yields=tuple(yields),
        calls=sets.calls,
        effects=found,
        flipped=tuple(sheets),
    )


def _write_flipped(
    effect: Effect,
    sets: CounterfactualFolder,
    predicted: NDArray[np.int8],
    levels: tuple[str, ...],
    folder: Path,
) -> list[FlippedSheet]:
    """Write a sheet of faces whose prediction became the level, and one of those that ceased."""
    before, after = sets.levels.index(effect.before), sets.levels.index(effect.after)
    both = (predicted[:, [before, after]] >= 0).all(axis=1)
    level = levels.index(effect.level)
    was, is_now = predicted[:, before] == level, predicted[:, after] == level
    found = []
    for became, rows in ((True, ~was & is_now & both), (False, was & ~is_now & both)):
        faces = np.flatnonzero(rows)
        if not len(faces):
            continue
        shown = faces[:PAIRS_SHOWN]
        images = sets.pictures.images(
            [int(face) * len(sets.levels) + k for face in shown for k in (before, after)]
        )
        way = "to" if became else "away"
        name = f"flipped-{sets.attribute}-{before}-{after}-{level}-{way}.png"
        write_sheet(folder / "pictures" / name, images, synthetic=True)
        found.append(
            FlippedSheet(
                before=effect.before,
                after=effect.after,
                level=effect.level,
                became=became,
                count=len(faces),
                n=effect.n,
                picture=name,
            )
        )
    return found


def write_misclassified(
    compared: PredictionsVsReference,
    images: AuditImages,
    by: AttributeGrid,
    cells: NDArray[np.int64],
    folder: Path,
) -> tuple[MisclassifiedSheet, ...]:
    """Write a sheet of the first misclassified images of each cell that has some.

    Parameters
    ----------
    compared : PredictionsVsReference
        On n images.
    images : AuditImages
        Those images.
    by : AttributeGrid
        The cells.
    cells : numpy.ndarray, shape (n,), int64
        The cell of each image.
    folder : Path
        Of the audit; sheets are written to `pictures/` in it.

    Returns
    -------
    tuple of MisclassifiedSheet
        The highest error rate first.
    """
    wrong = compared.known & (compared.truth != compared.answers)
    found = []
    for k in np.unique(cells[wrong]).tolist():
        rows = np.flatnonzero(wrong & (cells == k))
        name = f"wrong-cell-{k}.png"
        shown = images.images(rows[: COLUMNS * _ROWS].tolist())
        write_sheet(folder / "pictures" / name, shown, synthetic=not images.side)
        found.append(
            MisclassifiedSheet(
                cell=by.cells[k],
                count=len(rows),
                n=int((compared.known & (cells == k)).sum()),
                picture=name,
            )
        )
    return tuple(sorted(found, key=lambda w: -w.count / w.n))

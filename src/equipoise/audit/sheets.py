"""From a model's answers on ladders to effects, yields and pictures of what flipped.

Contact sheets of wrongly answered images.
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


def tell_counterfactuals(
    ladders: CounterfactualFolder,
    grid: AttributeGrid,
    said: NDArray[np.int8],
    confidence: NDArray[np.float32],
    levels: tuple[str, ...],
    folder: Path,
) -> Counterfactuals:
    """Return what answers on ladders say, and write sheets of flipped faces, before and after.

    Parameters
    ----------
    ladders : CounterfactualFolder
        m faces over L levels.
    groups : AttributeGrid
        Of the cells in which faces began.
    said : numpy.ndarray, shape (m * L,), int8
        Audited levels, face by face; negative where there is none.
    confidence : numpy.ndarray, shape (m * L,), float32
    levels : tuple of str
        The audited levels.
    folder : Path
        Of the audit; sheets go to `pictures/` there.
    """
    shape = (len(ladders), ladders.count)
    answers = said.reshape(shape)
    found = effects(ladders.attribute, ladders.levels, answers, confidence.reshape(shape), levels)
    kept = np.bincount(ladders.cells, minlength=grid.size)
    yields = [
        SearchYield(cell=cell, tried=int(tried), kept=int(have))
        for cell, tried, have in zip(grid.cells, ladders.tried, kept, strict=True)
        if tried
    ]
    sheets = [
        sheet
        for effect in found
        for sheet in _write_flipped(effect, ladders, answers, levels, folder)
    ]
    return Counterfactuals(
        attribute=ladders.attribute,
        n=len(ladders),
        yields=tuple(yields),
        calls=ladders.calls,
        effects=found,
        flipped=tuple(sheets),
    )


def _write_flipped(
    effect: Effect,
    ladders: CounterfactualFolder,
    answers: NDArray[np.int8],
    levels: tuple[str, ...],
    folder: Path,
) -> list[FlippedSheet]:
    """Write one sheet of the faces that became the level, and one of those that ceased to be."""
    before, after = (ladders.levels.index(word) for word in (effect.before, effect.after))
    both = (answers[:, [before, after]] >= 0).all(axis=1)
    level = levels.index(effect.level)
    was, is_now = answers[:, before] == level, answers[:, after] == level
    found = []
    for became, rows in ((True, ~was & is_now & both), (False, was & ~is_now & both)):
        faces = np.flatnonzero(rows)
        if not len(faces):
            continue
        shown = faces[: COLUMNS * _ROWS // 2]
        images = ladders.images(
            [int(face) * ladders.count + k for face in shown for k in (before, after)]
        )
        way = "to" if became else "away"
        name = f"flipped-{ladders.attribute}-{before}-{after}-{level}-{way}.png"
        write_sheet(folder / "pictures" / name, images)
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


def write_wrong(
    compared: PredictionsVsReference,
    material: AuditImages,
    by: AttributeGrid,
    cells: NDArray[np.int64],
    folder: Path,
) -> tuple[MisclassifiedSheet, ...]:
    """Write a sheet of the first wrongly answered images of each cell that has some.

    Parameters
    ----------
    compared : PredictionsVsReference
        On n images.
    material : AuditImages
        Those images.
    by : AttributeGrid
        The cells.
    cells : numpy.ndarray, shape (n,), int64
        The cell of each image.
    folder : Path
        Of the audit; sheets go to `pictures/` there.

    Returns
    -------
    tuple of MisclassifiedSheet
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
        found.append(
            MisclassifiedSheet(
                cell=by.cells[k],
                count=len(rows),
                n=int((judged & (cells == k)).sum()),
                picture=name,
            )
        )
    return tuple(sorted(found, key=lambda w: -w.count / w.n))

"""From a model's answers on ladders to effects, yields and pictures of what flipped.

Contact sheets of wrongly answered images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.effects import Effect, effects
from equipoise.audit.counterfactuals.folder import LadderFolder
from equipoise.audit.images import Material
from equipoise.audit.rates import Compared
from equipoise.audit.record import Counterfactuals, Flipped, Wrong, Yield
from equipoise.core.attributes import Groups
from equipoise.report.contact_sheets import COLUMNS, write_sheet

_ROWS = 2


def tell_counterfactuals(
    ladders: LadderFolder,
    groups: Groups,
    said: NDArray[np.int8],
    confidence: NDArray[np.float32],
    levels: tuple[str, ...],
    folder: Path,
) -> Counterfactuals:
    """Return what answers on ladders say, and write sheets of flipped faces, before and after.

    Parameters
    ----------
    ladders : LadderFolder
        m faces over L levels.
    groups : Groups
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
    kept = np.bincount(ladders.cells, minlength=groups.size)
    yields = [
        Yield(cell, int(tried), int(have))
        for cell, tried, have in zip(groups.cells, ladders.tried, kept, strict=True)
        if tried
    ]
    sheets = [
        sheet
        for effect in found
        for sheet in _write_flipped(effect, ladders, answers, levels, folder)
    ]
    return Counterfactuals(
        ladders.attribute, len(ladders), tuple(yields), ladders.calls, found, tuple(sheets)
    )


def _write_flipped(
    effect: Effect,
    ladders: LadderFolder,
    answers: NDArray[np.int8],
    levels: tuple[str, ...],
    folder: Path,
) -> list[Flipped]:
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
            Flipped(effect.before, effect.after, effect.level, became, len(faces), effect.n, name)
        )
    return found


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

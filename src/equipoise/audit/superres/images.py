"""Levels of the images of a super-resolution audit, and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answers import predict_cached
from equipoise.audit.images import Pictures
from equipoise.audit.record import Asking
from equipoise.audit.superres.models.bicubic import reduced
from equipoise.audit.superres.record import RestorationSheet
from equipoise.classifiers.models import PanelClassifierAddress
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.progress import Execution
from equipoise.report.contact_sheets import COLUMNS, write_sheet

JPEG_QUALITY = 85
"""Quality of re-encoding, chosen by hand: the change is barely visible."""


def read_levels(
    panel: ClassifierPanel,
    pictures: Pictures,
    folder: Path,
    role: str,
    addresses: Sequence[PanelClassifierAddress] = (),
    *,
    execution: Execution = Execution(),
) -> tuple[NDArray[np.int8], tuple[Asking, ...]]:
    """Return the panel's levels of images, and the costs of its classifiers.

    Parameters
    ----------
    panel : ClassifierPanel
    pictures : Pictures
        n images.
    folder : Path
        Caches predictions; no image is classified twice.
    role : str
        Role of the images among the costs, and stage of `progress`.
    addresses : sequence of PanelClassifierAddress
        Those of the panel's classifiers, by which workers of an engine open them.
    execution : Execution
        Threads, engine and progress.

    Returns
    -------
    levels : numpy.ndarray, shape (n, A), int8
        -1 where the panel abstains, `FAILED` where it failed, `NO_FACE` where it found none.
    costs : tuple of Asking
    """
    levels = np.full((len(pictures.digests), len(panel.grid.names)), UNKNOWN, np.int8)
    costs = []
    opened_by: Sequence[PanelClassifierAddress | None] = addresses or [None] * len(
        panel.classifiers
    )
    for classifier, address in zip(panel.classifiers, opened_by, strict=True):
        found = predict_cached(
            classifier, pictures, folder, stage=role, address=address, execution=execution
        )
        costs.append(Asking.of(role, classifier.name, found))
        for place, attribute in enumerate(found.attributes):
            if attribute.name in panel.grid.names:
                valid = found.confidence[:, place] >= panel.abstain_below
                valid |= found.levels[:, place] < UNKNOWN
                column = np.where(valid, found.levels[:, place], UNKNOWN)
                levels[:, panel.grid.attribute(attribute.name)] = column
    return levels, tuple(costs)


def write_restorations(
    originals: Pictures,
    restored: Pictures,
    by: AttributeGrid,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    factor: int,
    folder: Path,
) -> tuple[RestorationSheet, ...]:
    """Write a sheet per cell with three rows: original, low-resolution, restored; flips first.

    Parameters
    ----------
    originals, restored : Pictures
        n images each.
    by : AttributeGrid
        The cells.
    before, after : numpy.ndarray, shape (n,), int64
        The cell of each original, and of each restored image; -1 where the panel abstains.
    factor : int
        By which the originals are reduced.
    folder : Path
        Of the audit; sheets are written to `pictures/` in it.

    Returns
    -------
    tuple of RestorationSheet
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
        write_sheet(folder / "pictures" / name, sheet, len(shown), marked.ravel(), synthetic=True)
        known = int((after[rows] >= 0).sum())
        found.append(
            RestorationSheet(
                cell=by.cells[k],
                count=int(flipped[rows].sum()),
                n=known,
                picture=name,
                became=tuple(by.cells[j] if j >= 0 else "" for j in after[shown].tolist()),
            )
        )
    return tuple(sorted(found, key=lambda t: -t.count / max(t.n, 1)))

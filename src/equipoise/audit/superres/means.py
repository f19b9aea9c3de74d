"""Fidelity and diversity of restored images, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.material import Material
from equipoise.audit.rates import bootstrap_mean
from equipoise.audit.superres.fidelity import diversity, inconsistency, psnr, ssim
from equipoise.audit.superres.record import Fidelity, SuperresSettings
from equipoise.audit.superres.restored import BATCH, Restored
from equipoise.superres.reduce import reduced
from equipoise.workers import batches


def fidelity_by_cell(
    originals: Material,
    restored: Restored,
    names: Sequence[str],
    cells: NDArray[np.int64],
    settings: SuperresSettings,
) -> tuple[Fidelity, ...]:
    """Return the means of each cell that has images, with the bootstrap's intervals.

    Parameters
    ----------
    originals : Material
        n images.
    restored : Restored
        What a model made of them.
    names : sequence of str
        The K cells.
    cells : numpy.ndarray, shape (n,), int64
        The cell of each original.
    settings : SuperresSettings
    """
    parts = []
    for low, high in batches(0, len(originals), BATCH):
        rows = range(low, high)
        images, tries = originals.images(rows), np.stack([restored.tries(row) for row in rows])
        best = tries[np.arange(len(rows)), restored.chosen[low:high]]
        apart = inconsistency(best, reduced(images, settings.factor), settings.factor)
        parts.append([psnr(best, images), ssim(best, images), apart, diversity(tries)])
    values = np.concatenate(parts, axis=1)
    found = []
    for k in np.unique(cells).tolist():
        means = [
            bootstrap_mean(own[~np.isnan(own)], seed=settings.seed, key=k)
            for own in values[:, cells == k]
        ]
        found.append(Fidelity(names[k], int((cells == k).sum()), *means))
    return tuple(found)

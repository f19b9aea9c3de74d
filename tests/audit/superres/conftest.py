from __future__ import annotations

import hashlib

import numpy as np
import pytest

from equipoise.audit.images import AuditImages
from equipoise.audit.superres.models import reduced


class Oracle:
    """Knows the original of each low image, and gives it, or one of another cell by chance.

    An image of cell k becomes one of cell `becomes` with the chance of k: the first of that cell
    in the material.
    """

    name = "oracle"
    factor = 2
    deterministic = False
    caveats = ("It knows the originals.",)
    pinned = ()

    def __init__(self, material: AuditImages, chances: dict[int, float], becomes: int) -> None:
        images = material.images(range(len(material)))
        cells = material.grid.cell_of(material.levels)
        self._chances, self._other = chances, images[np.flatnonzero(cells == becomes)[0]]
        self._known = {
            low.tobytes(): (image, int(cell))
            for low, image, cell in zip(reduced(images, 2), images, cells, strict=True)
        }
        self.digest = hashlib.sha256(repr((chances, becomes)).encode()).hexdigest()
        self.restored = 0

    def restore(self, low: np.ndarray, seed: int, index: np.ndarray) -> np.ndarray:
        self.restored += len(low)
        found = []
        for row, i in zip(low, index.tolist(), strict=True):
            image, cell = self._known[row.tobytes()]
            flips = np.random.default_rng([seed, i]).random() < self._chances.get(cell, 0.0)
            found.append(self._other if flips else image)
        return np.stack(found)


@pytest.fixture
def exact(material: AuditImages) -> Oracle:
    return Oracle(material, {}, 0)

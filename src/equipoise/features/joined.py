"""Several features of the same images, read in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.features.base import Features, read_features


class JoinedFeatures:
    """Vectors of several features side by side.

    Parameters
    ----------
    parts : sequence of Features
        At least one.
    """

    def __init__(self, parts: Sequence[Features]) -> None:
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in parts)
        self.about = " ".join(part.about for part in parts)
        self.dim = sum(part.dim for part in parts)
        described = repr([part.digest for part in parts])
        self.digest = hashlib.sha256(described.encode()).hexdigest()

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors, shape (n, dim)."""
        return np.concatenate([read_features(part, images) for part in self.parts], axis=1)

    def split(self, rows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each part's own columns by its name."""
        ends = np.cumsum([part.dim for part in self.parts])[:-1]
        columns = np.split(rows, ends, axis=1)
        return {part.name: own for part, own in zip(self.parts, columns, strict=True)}

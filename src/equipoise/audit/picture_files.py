"""Images in files, with digests by which answers on them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.files import digest_of
from equipoise.measure.folder import read_image


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Images in files, of one size.

    Attributes
    ----------
    files : tuple of Path
    digests : tuple of str
        SHA-256 of each file.
    """

    files: tuple[Path, ...]
    digests: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> PictureFiles:
        """Read the digests of files.

        Raises
        ------
        OSError
            When one is not there.
        """
        return cls(tuple(files), tuple(map(digest_of, files)))

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        return np.stack([read_image(self.files[row]) for row in rows])

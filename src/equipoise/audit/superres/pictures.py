"""The images of an audit of super-resolution besides the originals: restored, and encoded anew."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.audit.answers import ask
from equipoise.audit.material import Pictures
from equipoise.audit.record import Asking
from equipoise.classifiers.base import FAILED
from equipoise.classifiers.panel import Panel
from equipoise.groups import UNKNOWN
from equipoise.progress import Progress, silent

JPEG_QUALITY = 85


@dataclass(frozen=True, eq=False)
class Reencoded:
    """Images as they are after JPEG of quality 85: what a classifier ought not to notice.

    Attributes
    ----------
    pictures : Pictures
        As they were.
    """

    pictures: Pictures

    @property
    def digests(self) -> tuple[str, ...]:
        """Of the image before, and of what was done to it."""
        return tuple(
            hashlib.sha256(f"jpeg {JPEG_QUALITY} {digest}".encode()).hexdigest()
            for digest in self.pictures.digests
        )

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        return np.stack([_through_jpeg(image) for image in self.pictures.images(rows)])


def _through_jpeg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(
        file, "JPEG", quality=JPEG_QUALITY
    )
    with Image.open(file) as encoded:
        return np.ascontiguousarray(np.asarray(encoded).transpose(2, 0, 1))


def read_levels(
    panel: Panel,
    pictures: Pictures,
    folder: Path,
    role: str,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> tuple[NDArray[np.int8], tuple[Asking, ...]]:
    """Return the panel's levels of images, shape (n, A), and what asking cost.

    A level is -1 where the panel abstains, and `FAILED` where it could not be asked. Answers are
    kept in the folder, and no image is asked about twice.
    """
    levels = np.full((len(pictures.digests), len(panel.groups.names)), UNKNOWN, np.int8)
    costs = []
    for classifier in panel.classifiers:
        told = ask(classifier, pictures, folder, workers=workers, progress=progress, stage=role)
        costs.append(Asking.of(role, classifier.name, told))
        for place, attribute in enumerate(told.attributes):
            if attribute.name in panel.groups.names:
                sure = told.confidence[:, place] >= panel.abstain_below
                sure |= told.levels[:, place] == FAILED
                column = np.where(sure, told.levels[:, place], UNKNOWN)
                levels[:, panel.groups.attribute(attribute.name)] = column
    return levels, tuple(costs)

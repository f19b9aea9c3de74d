"""A folder of images of contexts: images/*.png, and metadata.csv with the column `context`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.core.files import storage
from equipoise.core.labels import Labels, concatenate
from equipoise.core.tables import write_rows
from equipoise.generators.base import Prompted
from equipoise.labelling.contexts import CONTEXT, METADATA
from equipoise.methods.context_draws import ContextImages
from equipoise.samplers.export.metadata import marked_png
from equipoise.samplers.sampler import GeneratorRef

_OWN = "[0-9]*-[0-9]*.png"


@dataclass(frozen=True, eq=False)
class ContextFolder:
    """What was written.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (n,), int64
        Number of the context of each image.
    labels : Labels
        Of the n images.
    calls : int
        Generator calls, those of refused images included.
    """

    contexts: NDArray[np.int64]
    labels: Labels
    calls: int


def prepare_folder(out: Path) -> None:
    """Make the folder of the images, and take away those that a stopped run left there.

    Raises
    ------
    InputError
        When it holds images with their metadata.
    StorageError
        When it cannot be written.
    """
    if (out / METADATA).exists():
        rule = "must not hold drawn images"
        raise InputError(f"folder {out}", rule, METADATA, "Choose another --out.")
    with storage(out):
        (out / "images").mkdir(parents=True, exist_ok=True)
        for path in (out / "images").glob(_OWN):
            path.unlink()


def write_contexts(drawn: Iterable[ContextImages], generator: Prompted, out: Path) -> ContextFolder:
    """Write images and, when all are there, metadata.csv.

    Parameters
    ----------
    drawn : iterable of ContextImages
    generator : Prompted
        What drew them.
    out : Path
        As `prepare_folder` left it.

    Raises
    ------
    StorageError
        When the disk fails.
    """
    ref, rows = GeneratorRef.of(generator), []
    contexts: list[int] = []
    labels: list[Labels] = []
    calls = 0
    for part in drawn:
        for i, (row, image) in enumerate(zip(part.rows(), part.images, strict=True)):
            name = f"images/{part.context:05d}-{i:06d}.png"
            with storage(out):
                (out / name).write_bytes(marked_png(image, ref, row))
            rows.append({"file_name": name, CONTEXT: generator.contexts[part.context], **row})
        contexts += [part.context] * len(part.images)
        labels.append(part.labels)
        calls += part.calls
    write_rows(out / METADATA, list(rows[0]), rows)
    return ContextFolder(np.array(contexts), concatenate(labels), calls)

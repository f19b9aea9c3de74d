"""The images of an audit: verified, their cells known, read from disk batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.files import digest_of
from equipoise.core.progress import Execution
from equipoise.labelling.image_files import read_image
from equipoise.samplers.draw import DrawRequest
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.metadata import METADATA, read_metadata
from equipoise.samplers.sampler import Sampler

_REMEDY = "Draw them anew with `equipoise sample --verified`."


class Pictures(Protocol):
    """Images that a classifier can be asked about, whatever they come from.

    Attributes
    ----------
    digests : tuple of str
        One an image; equal only for equal images. Answers are kept by it.
    """

    @property
    def digests(self) -> tuple[str, ...]: ...  # noqa: D102

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        ...


@dataclass(frozen=True, eq=False)
class AuditImages:
    """Verified images in a folder, with the level of every attribute of each.

    Attributes
    ----------
    folder : Path
    groups : AttributeGrid
        The balanced attributes, A of them.
    files : tuple of str
        The n images, relative to `folder`.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels, none unknown.
    digests : tuple of str
        SHA-256 of each file.
    panel : str
        Digest of the panel that verified them; empty where it is not told.
    """

    folder: Path
    grid: AttributeGrid
    files: tuple[str, ...]
    levels: NDArray[np.int8]
    digests: tuple[str, ...]
    panel: str = ""

    def __len__(self) -> int:
        return len(self.files)

    def restricted(self, names: Sequence[str]) -> tuple[AttributeGrid, NDArray[np.int8]]:
        """Return some of the attributes and their levels, shape (n, len(names)).

        Raises
        ------
        InputError
            When one is unknown, named twice, or none is named.
        """
        places = [self.grid.attribute(name) for name in names]
        return AttributeGrid(tuple(self.grid.attributes[a] for a in places)), self.levels[:, places]

    def take(self, rows: Sequence[int]) -> AuditImages:
        """Return some of the images."""
        return AuditImages(
            self.folder,
            self.grid,
            tuple(self.files[row] for row in rows),
            self.levels[list(rows)],
            tuple(self.digests[row] for row in rows),
            self.panel,
        )

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Cell of each image, shape (n,)."""
        return self.grid.cell_of(self.levels)

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB.

        Raises
        ------
        FileFormatError
            When a file is no picture, or of another size than the first of `rows`.
        """
        found = [read_image(self.folder / self.files[row]) for row in rows]
        for row, image in zip(rows, found, strict=True):
            if image.shape != found[0].shape:
                raise FileFormatError(
                    f"image {self.folder / self.files[row]}",
                    f"must have the size of the others, {found[0].shape[1:]}",
                    image.shape[1:],
                    _REMEDY,
                )
        return np.stack(found)


def draw_material(
    sampler: Sampler,
    models: Models,
    n: int,
    seed: int,
    folder: Path,
    *,
    execution: Execution = Execution(),
) -> AuditImages:
    """Draw verified images into a folder, or those that it lacks, and read them.

    Parameters
    ----------
    sampler, models
        As for `equipoise.samplers.draw.verified`.
    n : int
        Images, shared among the cells by the sampler's target.
    seed : int
        Names the draws.
    folder : Path
        Made when missing; goes on where a stopped drawing left it.

    Raises
    ------
    InputError
        When n or seed breaks its rule, or the folder holds other draws.
    InsufficientLabelsError
        When a cell yields too few verified images.
    StorageError
        When the disk fails.
    """
    request = DrawRequest(n, seed, verified=True)
    write_draws(
        sampler,
        models,
        request,
        folder,
        execution=execution,
    )
    return read_material(folder)


def read_material(folder: Path) -> AuditImages:
    """Read what a folder of `equipoise sample --verified` holds; images stay on disk.

    One-shot images do as well, for the levels are those that came out; their cells are less even.

    Raises
    ------
    InputError
        When there is no metadata.csv, or no image in it.
    FileFormatError
        When it is damaged, an image is missing, or one has an unknown level.
    """
    answered = read_metadata(folder)
    unknown = np.flatnonzero((answered.levels == UNKNOWN).any(axis=1))
    if len(unknown):
        raise FileFormatError(
            f"metadata {folder / METADATA}",
            "must tell verified images, none of unknown level",
            f"{len(unknown)} unknown, first {answered.files[unknown[0]]}",
            _REMEDY,
        )
    return AuditImages(
        folder,
        answered.grid,
        answered.files,
        answered.levels,
        tuple(_digest(folder / name) for name in answered.files),
        answered.panel,
    )


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise FileFormatError(
            f"image {path}", "must be there", error.strerror or str(error), _REMEDY
        ) from error

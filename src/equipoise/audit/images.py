"""The images of an audit: verified images of known cells, read from disk in batches."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.images_used import ImagesUsed
from equipoise.audit.material_shards import PARTS, draw_parts
from equipoise.classifiers.models import Models
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of
from equipoise.core.progress import Execution
from equipoise.core.synthetic_mark import count_marked
from equipoise.labelling.image_files import PictureFiles
from equipoise.labelling.picture_folder import whole_pictures
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.metadata import METADATA, parse_draws, read_metadata
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler

_EXACT = "exact"
"""The mode of verified draws whose weighted averages are those of the generator's own images."""

_REMEDY = "Draw them again with `equipoise sample --verified`."


class Pictures(Protocol):
    """A sequence of images from any source.

    Attributes
    ----------
    digests : tuple of str
        One per image, equal only for equal images. Predictions are cached by it.
    """

    @property
    def digests(self) -> tuple[str, ...]: ...  # noqa: D102

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        ...


@dataclass(frozen=True, eq=False)
class AuditImages:
    """n verified images in a folder, with their levels of A attributes.

    Attributes
    ----------
    folder : Path
    grid : AttributeGrid
        The balanced attributes.
    files : tuple of str
        Paths of the images, relative to `folder`.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels, none unknown.
    digests : tuple of str
        SHA-256 of each file.
    weights : numpy.ndarray, shape (n,), float64
        Above 0. Under them, averages over the images of a cell are those over the generator's own
        images of it, where they were drawn `exact`; 1 otherwise.
    panel : str
        Digest of the panel that verified them; empty where it is not known.
    side : int
        Pixels of each side to which photographs are cut, from their middle square; 0 for generated
        images, which stay as they are.
    draws : str
        What drew them, as in `.draws.json` of an export; empty where it is not known.
    """

    folder: Path
    grid: AttributeGrid
    files: tuple[str, ...]
    levels: NDArray[np.int8]
    digests: tuple[str, ...]
    weights: NDArray[np.float64]
    panel: str = ""
    side: int = 0
    draws: str = ""

    def __len__(self) -> int:
        return len(self.files)

    def restricted(self, names: Sequence[str]) -> tuple[AttributeGrid, NDArray[np.int8]]:
        """Return some of the attributes and their levels, shape (n, len(names)).

        Raises
        ------
        InputError
            When one is unknown or repeated, or none is named.
        """
        places = [self.grid.attribute(name) for name in names]
        return AttributeGrid(tuple(self.grid.attributes[a] for a in places)), self.levels[:, places]

    def take(self, rows: Sequence[int]) -> AuditImages:
        """Return the images of some rows."""
        return replace(
            self,
            files=tuple(self.files[row] for row in rows),
            levels=self.levels[list(rows)],
            digests=tuple(self.digests[row] for row in rows),
            weights=self.weights[list(rows)],
        )

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Cell of each image, shape (n,)."""
        return self.grid.cell_of(self.levels)

    @cached_property
    def pictures(self) -> PictureFiles:
        """The images alone."""
        files = PictureFiles(tuple(self.folder / name for name in self.files), self.digests)
        return files.cut(self.side) if self.side else files

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the digests of the files, in order."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    @cached_property
    def used(self) -> ImagesUsed:
        """What a record says of them."""
        known = parse_draws(self.draws)
        seed = known.get("seed")
        return ImagesUsed(
            n=len(self),
            digest=self.digest,
            sampler=str(known.get("sampler", "")),
            panel=self.panel,
            faithful=str(known.get("faithful") or ""),
            seed=seed if isinstance(seed, int) else None,
            sampler_file=str(known.get("sampler_file", "")),
            marked=count_marked(self.folder / name for name in self.files),
            side=self.side,
        )

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, as `PictureFiles.images`."""
        return self.pictures.images(rows)


def draw_audit_images(
    sampler: Sampler,
    models: Models,
    n: int,
    seed: int,
    folder: Path,
    *,
    faithful: str | None = None,
    file: Path | None = None,
    execution: Execution = Execution(),
) -> AuditImages:
    """Draw verified images into a folder, except those that it already holds, and read them.

    Parameters
    ----------
    sampler, models
        As for `equipoise.samplers.verified.verified`.
    n : int
        Number of images, divided between the cells by the sampler's target.
    seed : int
        Seed of the draws, in [0, 2**63).
    folder : Path
        Created when missing; an interrupted run is resumed.
    faithful : str, optional
        See `Sampler.for_verified`. By default exact where the sampler has it: the images then
        carry weights, and rates are those of the generator's own images of each cell.
    file : Path, optional
        The sampler's file, which workers of an engine read.
    execution : Execution
        Threads, engine and progress. The bytes of the images do not depend on it. Workers of an
        engine take a range of shared candidates or a cell each; a folder that threads have
        begun, or that a larger n adds to, is finished by threads.

    Raises
    ------
    InputError
        When n or seed breaks its rule, or the folder holds other draws.
    InsufficientLabelsError
        When too few draws of a cell are verified.
    StorageError
        When a file cannot be written.
    WorkerError
        When workers cannot start, or a cell was set aside; the others are kept.
    """
    modes = [mode.faithful for mode in sampler.statements]
    if faithful is None and _EXACT in modes:
        faithful = _EXACT
    request = DrawRequest(n, seed, verified=True, faithful=faithful)
    if execution.engine is not None and not (folder / METADATA).exists():
        if file is None:
            raise InputError(
                "file",
                "must be that of the sampler, so that workers can read it",
                "none",
                "Store the sampler by save_sampler, or leave the engine out.",
            )
        draw_parts(execution.engine, sampler, file, models, request, folder, execution)
    write_draws(sampler, models, request, folder, execution=replace(execution, engine=None))
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return read_audit_images(folder)


def read_audit_images(folder: Path) -> AuditImages:
    """Read a folder that `equipoise sample --verified` wrote; the images stay on disk.

    One-shot images can be used too, because their levels are the achieved ones. Their cells are
    less balanced.

    Raises
    ------
    InputError
        When there is no metadata.csv, or no image in it.
    FileFormatError
        When it is damaged, images are missing or broken, which are all named, or one has an unknown
        level.
    """
    labelled = read_metadata(folder)
    unknown = np.flatnonzero((labelled.levels == UNKNOWN).any(axis=1))
    if len(unknown):
        raise FileFormatError(
            f"metadata {folder / METADATA}",
            "must list verified images, none of unknown level",
            f"{len(unknown)} unknown, first {labelled.files[unknown[0]]}",
            _REMEDY,
        )
    whole_pictures([folder / name for name in labelled.files], remedy=_REMEDY)
    return AuditImages(
        folder,
        labelled.grid,
        labelled.files,
        labelled.levels,
        tuple(digest_of(folder / name) for name in labelled.files),
        labelled.weights,
        labelled.panel,
        draws=labelled.draws,
    )

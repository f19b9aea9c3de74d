"""Counterfactual sets on disk, so that one search serves many audits.

FOLDER/ladders.safetensors   codes, cells and step lengths, with the identity of the search
FOLDER/images/FACE-LEVEL.png
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.search import CounterfactualSets
from equipoise.core.errors import FileFormatError
from equipoise.core.files import atomic_path, parse_json, storage
from equipoise.core.synthetic_mark import packet
from equipoise.labelling.image_files import PictureFiles
from equipoise.samplers.export.metadata import png

_LARGEST = 2**30
"""Largest size of the file in bytes; chosen by hand."""


@dataclass(frozen=True, eq=False)
class CounterfactualFolder:
    """Stored counterfactual sets of m faces at the L levels of one attribute.

    Attributes
    ----------
    attribute, levels, cells, step_lengths, tried, calls
        As of `CounterfactualSets`.
    pictures : PictureFiles
        The m * L images, face by face.
    """

    attribute: str
    levels: tuple[str, ...]
    cells: NDArray[np.int64]
    step_lengths: NDArray[np.float32]
    tried: NDArray[np.int64]
    calls: int
    pictures: PictureFiles

    def __len__(self) -> int:
        return len(self.cells)


def keep_counterfactuals(
    folder: Path, identity: str, search: Callable[[], CounterfactualSets]
) -> CounterfactualFolder:
    """Return the counterfactual sets in a folder; search for them first if it holds none.

    Parameters
    ----------
    folder : Path
    identity : str
        All that determines the result. Stored sets of another identity are replaced.
    search : callable

    Raises
    ------
    FileFormatError
        When stored sets are damaged.
    StorageError
        When a file cannot be written.
    """
    path = folder / "ladders.safetensors"
    if path.is_file():
        found = _read(folder, path, identity)
        if found is not None:
            return found
    sets = search()
    with storage(folder):
        # The old file goes first: with new images it would look complete after an interruption.
        path.unlink(missing_ok=True)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for face, row in enumerate(sets.images):
            for level, image in enumerate(row):
                _file(folder, face, level).write_bytes(png(image, packet()))
    tensors: dict[str, NDArray[Any]] = {
        "codes": sets.codes,
        "cells": sets.cells,
        "moves": sets.step_lengths,
        "tried": sets.tried,
        "calls": np.array([sets.calls]),
    }
    metadata = {"attribute": sets.attribute, "levels": sets.levels, "identity": identity}
    with atomic_path(path) as part:
        part.write_bytes(safetensors.numpy.save(tensors, {"equipoise": json.dumps(metadata)}))
    stored = _read(folder, path, identity)
    assert stored is not None
    return stored


def _read(folder: Path, path: Path, identity: str) -> CounterfactualFolder | None:
    """Return the stored sets, or None where they are of another search."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("a file of over 1 GiB")
        with safetensors.safe_open(path, framework="numpy") as stored:
            metadata = parse_json((stored.metadata() or {})["equipoise"])
            if metadata["identity"] != identity:
                return None
            cells, step_lengths, tried, calls = (
                stored.get_tensor(name) for name in ("cells", "moves", "tried", "calls")
            )
        levels = tuple(str(level) for level in metadata["levels"])
        if cells.ndim != 1 or step_lengths.shape != (len(cells), len(levels)):
            raise ValueError("arrays of other shapes")
        pictures = PictureFiles.of(
            [
                _file(folder, face, level)
                for face in range(len(cells))
                for level in range(len(levels))
            ]
        )
        attribute = str(metadata["attribute"])
        return CounterfactualFolder(
            attribute, levels, cells, step_lengths, tried, int(calls[0]), pictures
        )
    except (
        *(OSError, KeyError, TypeError, ValueError, IndexError),
        safetensors.SafetensorError,
    ) as error:
        raise FileFormatError(
            f"counterfactual sets {path}",
            "must be whole",
            f"{type(error).__name__}: {error}",
            f"Delete {folder} and run the same command again.",
        ) from error


def _file(folder: Path, face: int, level: int) -> Path:
    return folder / "images" / f"{face:06d}-{level}.png"

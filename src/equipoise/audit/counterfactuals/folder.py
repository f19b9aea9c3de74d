"""CounterfactualSets on disk: found once, asked about many times.

FOLDER/ladders.safetensors   codes, cells and moves, with what they were searched by
FOLDER/images/FACE-LEVEL.png
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
from equipoise.labelling.image_files import PictureFiles
from equipoise.samplers.export.metadata import png

_LARGEST = 2**30


@dataclass(frozen=True, eq=False)
class CounterfactualFolder:
    """Kept ladders, m faces over L levels; images m * L, face by face.

    Attributes
    ----------
    attribute : str
    levels : tuple of str
    cells : numpy.ndarray, shape (m,), int64
    moves : numpy.ndarray, shape (m, L), float32
    tried : numpy.ndarray, shape (K,), int64
    calls : int
    pictures : PictureFiles
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

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each file."""
        return self.pictures.digests

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        return self.pictures.images(rows)

    @property
    def count(self) -> int:
        """Levels of the varied attribute."""
        return len(self.levels)


def keep_counterfactuals(
    folder: Path, identity: str, search: Callable[[], CounterfactualSets]
) -> CounterfactualFolder:
    """Return the ladders that a folder keeps, or search for them and keep them.

    Parameters
    ----------
    folder : Path
    identity : str
        All that decides what is found; kept ladders of another one are searched anew.
    search : callable

    Raises
    ------
    FileFormatError
        When what is kept is damaged.
    StorageError
        When the disk fails.
    """
    path = folder / "ladders.safetensors"
    if path.is_file():
        found = _read(folder, path, identity)
        if found is not None:
            return found
    ladders = search()
    with storage(folder):
        # Its pictures go now, so it must not be taken for whole if this is stopped.
        path.unlink(missing_ok=True)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for face, row in enumerate(ladders.images):
            for level, image in enumerate(row):
                _file(folder, face, level).write_bytes(png(image))
    tensors: dict[str, NDArray[Any]] = {
        "codes": ladders.codes,
        "cells": ladders.cells,
        "moves": ladders.step_lengths,
        "tried": ladders.tried,
        "calls": np.array([ladders.calls]),
    }
    told = {"attribute": ladders.attribute, "levels": ladders.levels, "identity": identity}
    with atomic_path(path) as part:
        safetensors.numpy.save_file(tensors, part, {"equipoise": json.dumps(told)})
    kept = _read(folder, path, identity)
    assert kept is not None
    return kept


def _read(folder: Path, path: Path, identity: str) -> CounterfactualFolder | None:
    """Return what is kept, or None where it is of another search."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("a file of over 1 GiB")
        with safetensors.safe_open(path, framework="numpy") as stored:
            told = parse_json((stored.metadata() or {})["equipoise"])
            if told["identity"] != identity:
                return None
            cells, step_lengths, tried, calls = (
                stored.get_tensor(name) for name in ("cells", "moves", "tried", "calls")
            )
        levels = tuple(str(level) for level in told["levels"])
        if cells.ndim != 1 or step_lengths.shape != (len(cells), len(levels)):
            raise ValueError("arrays of other shapes")
        pictures = PictureFiles.of(
            [
                _file(folder, face, level)
                for face in range(len(cells))
                for level in range(len(levels))
            ]
        )
        attribute = str(told["attribute"])
        return CounterfactualFolder(
            attribute, levels, cells, step_lengths, tried, int(calls[0]), pictures
        )
    except (
        *(OSError, KeyError, TypeError, ValueError, IndexError),
        safetensors.SafetensorError,
    ) as error:
        raise FileFormatError(
            f"ladders {path}",
            "must be whole",
            f"{type(error).__name__}: {error}",
            f"Delete {folder} and run the same command again.",
        ) from error


def _file(folder: Path, face: int, level: int) -> Path:
    return folder / "images" / f"{face:06d}-{level}.png"

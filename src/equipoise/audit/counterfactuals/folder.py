"""Counterfactual sets on disk, so that one search serves many audits.

FOLDER/sweeps.safetensors   codes, cells and step lengths, with the identity of the search
FOLDER/images/FACE-LEVEL.png
FOLDER/sweeps/               batches of a search that is under way
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.search import CounterfactualSearch
from equipoise.audit.counterfactuals.sweeps import Sweeps, read_sweep
from equipoise.core.errors import FileFormatError
from equipoise.core.files import atomic_path, parse_json, storage
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Execution
from equipoise.core.synthetic_mark import packet
from equipoise.labelling.image_files import PictureFiles
from equipoise.samplers.export.png import png

_LARGEST = 2**30
"""Largest size of the file in bytes; chosen by hand."""


@dataclass(frozen=True, eq=False)
class CounterfactualFolder:
    """Stored counterfactual sets of m faces at the L levels of one attribute.

    Attributes
    ----------
    attribute : str
        The varied attribute.
    levels : tuple of str
        Its levels.
    codes : numpy.ndarray, shape (m, L, dim), float32
    cells : numpy.ndarray, shape (m,), int64
        The cell of each face at its start.
    step_lengths : numpy.ndarray, shape (m, L), float32
        Distance of each code from its start, in units of latent space; 0 at the start's level.
    tried : numpy.ndarray, shape (K,), int64
        Verified starts in each cell, up to the last one that gave a set.
    calls : int
        Generator calls of the search.
    pictures : PictureFiles
        The m * L images, face by face.
    """

    attribute: str
    levels: tuple[str, ...]
    codes: NDArray[np.float32]
    cells: NDArray[np.int64]
    step_lengths: NDArray[np.float32]
    tried: NDArray[np.int64]
    calls: int
    pictures: PictureFiles

    def __len__(self) -> int:
        return len(self.cells)


def keep_counterfactuals(
    folder: Path,
    search: CounterfactualSearch,
    *,
    file: Path | None = None,
    execution: Execution = Execution(),
) -> CounterfactualFolder:
    """Return the counterfactual sets in a folder; search for them first if it holds none.

    Parameters
    ----------
    folder : Path
    search : CounterfactualSearch
        Stored sets of another are replaced. A stopped search goes on.
    file : Path, optional
        The sampler's, which workers of an engine read.
    execution : Execution
        Threads, engine and progress. The sets do not depend on it.

    Raises
    ------
    FileFormatError
        When stored sets are damaged.
    InputError
        When models have no addresses for an engine, or a worker opens others.
    StorageError
        When a file cannot be written.
    WorkerError
        When workers cannot start, or a batch was set aside; the others are kept.
    """
    path, identity = folder / "sweeps.safetensors", search.identity
    if path.is_file():
        found = _read(folder, path, identity)
        if found is not None:
            shutil.rmtree(folder / "sweeps", ignore_errors=True)
            return found
    own = hashlib.sha256(identity.encode()).hexdigest()[:16]
    sweeps = Sweeps(search, LocalFolder(folder / "sweeps" / own))
    sweeps.make(file, execution)
    with storage(folder):
        # The old file goes first: with new images it would look complete after an interruption.
        path.unlink(missing_ok=True)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        tensors = _join(folder, sweeps)
    metadata = {"attribute": search.attribute, "levels": search.levels, "identity": identity}
    with atomic_path(path) as part:
        part.write_bytes(safetensors.numpy.save(tensors, {"equipoise": json.dumps(metadata)}))
    shutil.rmtree(folder / "sweeps", ignore_errors=True)
    stored = _read(folder, path, identity)
    assert stored is not None
    return stored


def _join(folder: Path, sweeps: Sweeps) -> dict[str, NDArray[Any]]:
    """Write the images of the first n sets, batch by batch, and return the arrays of all."""
    left, face = sweeps.search.n, 0
    parts: list[tuple[NDArray[Any], ...]] = []
    for number in range(sweeps.counted):
        found = read_sweep(sweeps.home, number)
        for row in found.images[:left]:
            for level, image in enumerate(row):
                _file(folder, face, level).write_bytes(png(image, packet()))
            face += 1
        parts.append((found.codes[:left], found.cells[:left], found.step_lengths[:left]))
        left = sweeps.search.n - face
    codes, cells, step_lengths = map(np.concatenate, zip(*parts, strict=True))
    return {
        "codes": codes,
        "cells": cells,
        "moves": step_lengths,
        "tried": sweeps.tried,
        "calls": np.array([sweeps.calls]),
    }


def _read(folder: Path, path: Path, identity: str) -> CounterfactualFolder | None:
    """Return the stored sets, or None where they are of another search."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("a file of over 1 GiB")
        with safetensors.safe_open(path, framework="numpy") as stored:
            metadata = parse_json((stored.metadata() or {})["equipoise"])
            if metadata["identity"] != identity:
                return None
            codes, cells, step_lengths, tried, calls = (
                stored.get_tensor(name) for name in ("codes", "cells", "moves", "tried", "calls")
            )
        levels = tuple(str(level) for level in metadata["levels"])
        shape = (len(cells), len(levels))
        if cells.ndim != 1 or step_lengths.shape != shape or codes.shape[:2] != shape:
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
            attribute, levels, codes, cells, step_lengths, tried, int(calls[0]), pictures
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

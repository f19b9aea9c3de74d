"""The row of metadata that every format of an export holds of an image.

Rows are written here, and read back from the metadata of a folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import parse_json
from equipoise.core.tables import read_rows, shown
from equipoise.samplers.draw import ImageBatch

METADATA, DRAWS = "metadata.csv", ".draws.json"

_LARGEST_DRAWS = 2**16


@dataclass(frozen=True, eq=False)
class LabelledFolder:
    """Images with the labels of a classifier.

    Attributes
    ----------
    grid : AttributeGrid
        The attributes, A of them.
    folder : Path
        Where the images are.
    files : tuple of str
        The n images, relative to `folder`.
    levels : numpy.ndarray, shape (n, A), int8
        Labels; -1 (`UNKNOWN`) where the classifier abstained.
    weights : numpy.ndarray, shape (n,), float64
        Weights of the images, above 0; 1 where the metadata have none.
    draws : str
        What drew the images, by the folder's own record, where the labels are of the same panel;
        empty otherwise.
    """

    grid: AttributeGrid
    folder: Path
    files: tuple[str, ...]
    levels: NDArray[np.int8]
    weights: NDArray[np.float64]
    draws: str = ""

    @property
    def panel(self) -> str:
        """Digest of the panel that gave the labels; empty where it is not known."""
        return str(parse_draws(self.draws).get("panel", ""))


def parse_draws(draws: str) -> dict[str, Any]:
    """Return the record of what drew a folder's images; empty where it cannot be read."""
    try:
        found = parse_json(draws or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def answer_name(grid: AttributeGrid, levels: Sequence[int]) -> str:
    """Return the name of an answer on all attributes, shape (A,), as of a cell.

    Examples
    --------
    >>> answer_name(AttributeGrid((Attribute("smiling", ("no", "yes")),)), [-1])
    'smiling=unknown'
    """
    return ", ".join(
        f"{a.name}={a.levels[level] if level != UNKNOWN else UNKNOWN_NAME}"
        for a, level in zip(grid.attributes, levels, strict=True)
    )


def _draws(folder: Path) -> str:
    path = folder / DRAWS
    if not path.is_file() or path.stat().st_size > _LARGEST_DRAWS:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def no_images(grid: AttributeGrid, folder: Path) -> LabelledFolder:
    """Return what an export of no images holds."""
    levels = np.empty((0, len(grid.names)), np.int8)
    return LabelledFolder(grid, folder, (), levels, np.empty(0), _draws(folder))


def read_metadata(folder: Path, names: Sequence[str] | None = None) -> LabelledFolder:
    """Read the labels in the metadata.csv that `equipoise sample --out FOLDER` wrote.

    Parameters
    ----------
    folder : Path
    names : sequence of str, optional
        Attributes, in order; all of the metadata by default.

    Raises
    ------
    InputError
        When there is no metadata.csv, no image in it, or no such attribute.
    FileFormatError
        When it is damaged, holds a level that its columns do not name, or a file outside the
        folder.
    """
    path = folder / METADATA
    grid: AttributeGrid | None = None
    files: list[str] = []
    levels: list[list[int]] = []
    weights: list[float] = []
    ordered: set[str] = set()
    home = folder.resolve()
    for line, row in read_rows(path, ["file_name"]):
        if grid is None:
            grid = _groups(list(row), names, path)
            ordered = {one.name for one in grid.attributes if len(one.levels) > 2}
            numbers = [
                {name: i for i, name in enumerate((*a.levels, UNKNOWN_NAME))}
                for a in grid.attributes
            ]
        if not (home / row["file_name"]).resolve().is_relative_to(home):
            raise FileFormatError(
                f"file_name in row {line} of {path}",
                "must lie in the folder",
                shown(row["file_name"]),
                "Keep images beside their metadata.",
            )
        files.append(row["file_name"])
        weights.append(_weight(row.get("weight", "1"), line, path))
        levels.append([])
        for attribute, known in zip(grid.attributes, numbers, strict=True):
            value = row[attribute.name]
            if value not in known:
                raise FileFormatError(
                    f"{attribute.name} in row {line} of {path}",
                    f"must be one of {', '.join(known)}",
                    shown(value),
                    "Draw the images again.",
                )
            level = known[value]
            known_level = level < len(attribute.levels)
            if known_level and attribute.name in ordered and not _has_score(row, attribute.name):
                ordered.remove(attribute.name)
            levels[-1].append(level if known_level else UNKNOWN)
    if grid is None:
        raise InputError(f"metadata {path}", "must list images", "none", "Draw some first.")
    attributes = (replace(one, ordered=one.name in ordered) for one in grid.attributes)
    return LabelledFolder(
        AttributeGrid(tuple(attributes)),
        folder,
        tuple(files),
        np.array(levels, np.int8),
        np.array(weights),
        _draws(folder),
    )


def _weight(text: str, line: int, path: Path) -> float:
    """Return the weight of a row."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise FileFormatError(
            f"weight in row {line} of {path}",
            "must be a number above 0",
            shown(text),
            "Draw the images again.",
        )
    return value


def _groups(columns: list[str], names: Sequence[str] | None, path: Path) -> AttributeGrid:
    """Return attributes and levels, in order, by the columns NAME.p.LEVEL."""
    found: dict[str, list[str]] = {}
    for column in columns:
        name, mark, level = column.partition(".p.")
        if mark and name in columns:
            found.setdefault(name, []).append(level)
    wanted = list(found) if names is None else list(names)
    for name in wanted:
        if name not in found:
            raise InputError(
                f"attribute of {path}",
                f"must be one of {', '.join(found) or 'none'}",
                shown(name),
                "Correct the name, or leave the metadata out so that the images are read again.",
            )
    return AttributeGrid(tuple(Attribute(name, tuple(found[name])) for name in wanted))


def _has_score(row: dict[str, str], name: str) -> bool:
    """Return whether a row has a score of an attribute: levels without an order have none."""
    try:
        return math.isfinite(float(row.get(f"{name}.score", "")))
    except ValueError:
        return False


def metadata_rows(drawn: ImageBatch, seed: int, start: int) -> Iterator[dict[str, Any]]:
    """Yield the metadata of each image of a batch, whose first image is number `start`."""
    for i, row in enumerate(drawn.table().to_pylist(), start):
        yield {"file_name": f"images/{i:09d}.png", "seed": seed, **row}

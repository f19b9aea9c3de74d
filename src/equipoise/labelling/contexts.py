"""The contexts of images: from folders, from their metadata, or from a table of labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from equipoise.core.attributes import UNKNOWN_NAME, Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, Listed
from equipoise.core.labels import Labels, certain_labels
from equipoise.core.tables import read_rows, shown

CONTEXT = "context"
"""Column of a table that names an image's context."""

METADATA = "metadata.csv"
"""Table in a folder of images, with the columns `file_name` and `context`."""

_MOST_LEVELS = 100
"""Levels of an attribute that a table may have; more are numbers or texts. Chosen by hand."""

_REMEDY = "Name the context in every row."


def read_label_table(path: Path, attributes: str | None = None) -> tuple[Labels, list[str]]:
    """Read the labels and contexts of images from a CSV file: one row an image.

    Parameters
    ----------
    path : Path
        With the column `context` and one for each attribute, which holds the name of a level. An
        empty value, or "unknown", is an image on which the classifier abstained.
    attributes : str, optional
        Columns, separated by commas: "gender,age". "gender=female|male" gives the levels too; then
        no other is allowed. By default all columns but `context` and `file_name`, with the levels
        that occur, in the order of the alphabet.

    Returns
    -------
    labels : Labels
        Without probabilities of their own: 1 for the level of the row.
    contexts : list of str
        Context of each row.

    Raises
    ------
    InputError
        When there is no such file, or the attributes break a rule.
    FileFormatError
        When the file is no table of that kind; the error names the row.
    """
    wanted = _wanted(attributes)
    contexts: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    lines: list[int] = []
    for line, row in read_rows(path, (CONTEXT, *wanted), what="table of labels"):
        if not lines and not wanted:
            columns = {name: [] for name in row if name and name not in (CONTEXT, "file_name")}
        contexts.append(_context(row[CONTEXT], line, path))
        lines.append(line)
        for name, values in columns.items():
            values.append(row[name].strip())
    if not lines:
        rule = "must have a row for each image"
        raise FileFormatError(f"table of labels {path}", rule, "none", "Add the images.")
    grid = AttributeGrid(
        tuple(_attribute(name, wanted.get(name), columns[name], path) for name in columns)
    )
    levels = np.empty((len(lines), len(columns)), np.int8)
    for a, attribute in enumerate(grid.attributes):
        numbers = {name: i for i, name in enumerate(attribute.levels)} | {"": -1, UNKNOWN_NAME: -1}
        for i, value in enumerate(columns[attribute.name]):
            if value not in numbers:
                raise FileFormatError(
                    f"{attribute.name} in row {lines[i]} of {path}",
                    f"must be one of {', '.join(attribute.levels)}, or empty where it is unknown",
                    shown(value),
                    "Correct it, or name the level in --attributes.",
                )
            levels[i, a] = numbers[value]
    return certain_labels(grid, levels), contexts


def contexts_of_folder(folder: Path, files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Return the context of each image file of a folder, and the contexts without an image.

    `metadata.csv` in the folder gives them, by its columns `file_name` (relative to the folder) and
    `context`; without that table the context is the sub-folder of the file.

    Parameters
    ----------
    folder : Path
    files : sequence of Path
        Below the folder.

    Raises
    ------
    FileFormatError
        When the table lacks a column, has no row for a file or two that differ, or a context is
        empty.
    InputError
        When there is no table, and a file lies in no sub-folder.
    """
    names = [path.relative_to(folder) for path in files]
    table = folder / METADATA
    if table.is_file():
        given: dict[str, str] = {}
        for line, row in read_rows(table, ("file_name", CONTEXT), what="metadata"):
            name = Path(row["file_name"].strip()).as_posix()
            context = _context(row[CONTEXT], line, table)
            if given.setdefault(name, context) != context:
                rule = f"must have one context for {shown(name)}"
                raise FileFormatError(f"row {line} of {table}", rule, "another", "Remove a row.")
        missing = [path.as_posix() for path in names if path.as_posix() not in given]
        if missing:
            raise FileFormatError(
                f"metadata {table}",
                "must have a row for every image",
                Listed(f"none for {name}" for name in missing),
                "Add the rows, or move the images away.",
            )
        found = [given[path.as_posix()] for path in names]
        return found, sorted(set(given.values()) - set(found))
    for path in names:
        if len(path.parts) == 1:
            raise InputError(
                f"image {shown(path.name)}",
                f"must lie in a sub-folder, its context, where {METADATA} is missing",
                str(folder),
                f"Make a folder for each context, or write {METADATA} with the columns file_name "
                "and context.",
            )
    used = [path.parts[0] for path in names]
    below = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    return used, sorted(below - set(used))


def _context(text: str, line: int, path: Path) -> str:
    if not text.strip():
        raise FileFormatError(f"context in row {line} of {path}", "must not be empty", "", _REMEDY)
    return text.strip()


def _wanted(attributes: str | None) -> dict[str, tuple[str, ...]]:
    """Return the levels of each named attribute, empty where they are to be found."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in (attributes or "").split(","))):
        name, _, levels = part.partition("=")
        found[name.strip()] = tuple(level.strip() for level in levels.split("|") if level.strip())
    return found


def _attribute(
    name: str, levels: tuple[str, ...] | None, values: list[str], path: Path
) -> Attribute:
    found = levels or tuple(sorted(set(values) - {"", UNKNOWN_NAME}))
    if len(found) > _MOST_LEVELS:
        raise FileFormatError(
            f"column {shown(name)} of {path}",
            f"must have at most {_MOST_LEVELS} levels",
            f"{len(found):,}",
            "Name the columns of the attributes by --attributes.",
        )
    if len(found) < 2:
        raise FileFormatError(
            f"column {shown(name)} of {path}",
            "must have at least two levels",
            ", ".join(map(shown, found)) or "none",
            f"Name all its levels: --attributes '{shown(name)}=A|B'.",
        )
    return Attribute(name, found)

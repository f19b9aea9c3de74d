"""Labelled photographs of a user as the images of an audit: a folder, and a CSV of labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.age.ages import OLDEST, Ages
from equipoise.audit.images import AuditImages
from equipoise.audit.record import Asking
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of
from equipoise.core.tables import read_rows, shown
from equipoise.labelling.picture_folder import whole_pictures

SIDE = 256
"""Pixels of each side to which photographs are cut; chosen by hand."""

YEARS = "years"
"""Column of the true age of who is on a photograph."""

_MOST = 4096
_REMEDY = "Correct the row, or leave it out."


@dataclass(frozen=True, eq=False)
class People:
    """n photographs of people.

    Attributes
    ----------
    images : AuditImages
        With their labels.
    person : numpy.ndarray, shape (n,), int64
        Number of the person on each, from 0 on.
    """

    images: AuditImages
    person: NDArray[np.int64]

    @property
    def first(self) -> list[int]:
        """Rows of the first photograph of each person: any two are of different people."""
        rows: list[int] = np.sort(np.unique(self.person, return_index=True)[1]).tolist()
        return rows


def read_photographs(
    folder: Path, table: Path, grid: AttributeGrid, side: int = SIDE
) -> AuditImages:
    """Read photographs with their labels.

    Parameters
    ----------
    folder : Path
    table : Path
        CSV with `file_name`, relative to the folder, and a column for each attribute, with a level
        as its word. Rows with an empty label are left out.
    grid : AttributeGrid
    side : int
        Pixels of each side, in [1, 4096], to which photographs are cut.

    Raises
    ------
    InputError
        When the side is out of range, there is no such table, or it names no photograph.
    FileFormatError
        When the table is damaged or lacks a column, a row names a file outside the folder, one that
        another row names, or an unknown level, or a photograph is broken.
    """
    return _read(folder, table, grid, side)[0]


def read_people(
    table: Path, grid: AttributeGrid, side: int = SIDE, *, folder: Path | None = None
) -> People:
    """Read photographs of people, some of whom are on several.

    Parameters
    ----------
    table : Path
        CSV as for `read_photographs`, with the column `person`: one text for all photographs of a
        person.
    grid : AttributeGrid
    side : int
        As for `read_photographs`.
    folder : Path, optional
        Of the photographs; by default that of the table.

    Raises
    ------
    InputError, FileFormatError
        As `read_photographs`.
    """
    images, names = _read(folder or table.parent, table, grid, side, "person")
    owner: dict[str, str] = {}
    for digest, name, file in zip(images.digests, names, images.files, strict=True):
        if owner.setdefault(digest, name) != name:
            rule = f"must be of one person, but equals a photograph of {shown(owner[digest])}"
            raise FileFormatError(f"{file} in {table}", rule, shown(name), _REMEDY)
    return People(images, np.unique(names, return_inverse=True)[1].astype(np.int64))


def read_aged(
    folder: Path, table: Path, grid: AttributeGrid, side: int = SIDE
) -> tuple[AuditImages, Ages]:
    """Read photographs with their labels and the true ages of the people.

    Parameters
    ----------
    folder, table, grid, side
        As for `read_photographs`; the table has the column `years` too.

    Raises
    ------
    InputError, FileFormatError
        As `read_photographs`, and when an age is not in [0, `OLDEST`].
    """
    images, texts = _read(folder, table, grid, side, YEARS)
    years = []
    for name, text in zip(images.files, texts, strict=True):
        try:
            age = float(text)
        except ValueError:
            age = float("nan")
        if not 0 <= age <= OLDEST:
            rule = f"must be an age from 0 to {OLDEST:g}"
            raise FileFormatError(f"{YEARS} of {name} in {table}", rule, shown(text), _REMEDY)
        years.append(age)
    cost = Asking(
        role="reference", name=table.name, asked=0, kept=len(years), failed=0, seconds=0.0
    )
    return images, Ages(table.name, digest_of(table), np.array(years), cost, recorded=True)


def _read(
    folder: Path, table: Path, grid: AttributeGrid, side: int, *more: str
) -> tuple[AuditImages, list[str]]:
    """Return photographs, and of each its text in a further column."""
    if not 1 <= side <= _MOST:
        raise InputError("side", f"must be in [1, {_MOST}]", side, f"Pass {SIDE}.")
    home = folder.resolve()
    files: dict[str, list[int]] = {}
    places: set[Path] = set()
    further: list[str] = []
    for line, row in read_rows(table, ["file_name", *grid.names, *more], what="labels"):
        name, where = row["file_name"].strip(), f"row {line} of {table}"
        words = [row[attribute].strip() for attribute in grid.names]
        others = [row[column].strip() for column in more]
        if not all(words + others):
            continue
        place = (home / name).resolve()
        if not place.is_relative_to(home) or place in places:
            rule = "must name each file once" if place in places else "must lie in the folder"
            raise FileFormatError(f"file_name in {where}", rule, shown(name), _REMEDY)
        places.add(place)
        for attribute, word in zip(grid.attributes, words, strict=True):
            if word not in attribute.levels:
                rule = f"must be one of {', '.join(attribute.levels)}"
                raise FileFormatError(f"{attribute.name} in {where}", rule, shown(word), _REMEDY)
        files[name] = [
            attribute.levels.index(word)
            for attribute, word in zip(grid.attributes, words, strict=True)
        ]
        further += others
    if not files:
        raise InputError(f"labels {table}", "must name a photograph", "none", "Write some.")
    whole_pictures([folder / name for name in files], remedy=_REMEDY)
    images = AuditImages(
        folder,
        grid,
        tuple(files),
        np.array(list(files.values()), np.int8),
        tuple(digest_of(folder / name) for name in files),
        np.ones(len(files)),
        side=side,
    )
    return images, further

"""Read CSV files that others wrote, within limits, and write CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from equipoise.core.errors import FileFormatError, InputError, shortened
from equipoise.core.files import read_text, write_text

LARGEST = 256 * 2**20
"""Largest table in bytes: a million rows of metadata of eight attributes."""

_SHOWN = 60
"""Characters of a foreign value that an error shows, chosen by hand: less than a line."""

_REMEDY = "Save it as CSV in UTF-8; split it where it is large."


def read_rows(
    path: Path, needed: Sequence[str], *, what: str = "table", limit: int | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with a header. Empty rows are skipped.

    Parameters
    ----------
    path : Path
        UTF-8, separated by commas, semicolons or tabs; the first line shows which.
    needed : sequence of str
        Columns that must be present, each once. Other columns are allowed.
    what : str
        What errors call the file.
    limit : int, optional
        Bytes at most; `LARGEST` by default.

    Yields
    ------
    line : int
        Number of the line, counted from 1, for errors.
    row : dict of str to str
        Values by column.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is larger than `limit`, not UTF-8 or not CSV, lacks a column, or a row has too
        many or too few values.
    """
    if not path.is_file():
        raise InputError(f"{what} {path}", "must be a file", "none", "Correct the path.")
    text = read_text(path, _REMEDY, rule="must be UTF-8 text", what=what, limit=limit or LARGEST)
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for name in needed:
            if header.count(name) != 1:
                raise FileFormatError(
                    f"{what} {path}",
                    f"must have the column {name!r} once",
                    shown(", ".join(header)) or "none",
                    "Begin with the names of the columns, separated by commas, semicolons or tabs.",
                )
        for row in reader:
            if not any(value.strip() for value in row):
                continue
            if len(row) != len(header):
                raise FileFormatError(
                    f"row {reader.line_num} of {path}",
                    f"must have {len(header)} values",
                    len(row),
                    "Put quotes around a value that holds the separator.",
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise FileFormatError(
            f"row {reader.line_num} of {path}", "must be CSV", str(error), "Save it as CSV again."
        ) from error


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file, whole or not at all.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    rows : iterable of mapping
        From each column to its text.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def shown(value: str) -> str:
    r"""Return a foreign value shortened to 60 printable characters, for use in an error.

    Examples
    --------
    >>> shown("a" * 100)[-5:], shown("a\x1b[2J")
    ('aaa..', 'a?[2J')
    """
    return shortened(value, _SHOWN).replace("\n", "?")

"""Rows of a table about images, one a picture: CSV, Parquet or JSON lines, read within limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import ArrowException

from equipoise.audit.images import AuditImages
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import parse_json, read_text
from equipoise.core.tables import LARGEST, read_rows, shown

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
"""Suffixes of tables that can be read."""

SHOWN_DIGITS = 16
"""Digits of a set's digest that are shown to people."""

_SHORTEST_DIGEST = 8

_OTHER_SET = "Give the answers to this set, or the set that was answered."

REMEDY = "Correct the row, or leave it out: its image then counts as one without an answer."
"""What to do about a row that breaks a rule."""

_MOST_ROWS, _LONGEST_TEXT = 2_000_000, 4096
_BATCH = 4096
_NAME_LENGTH = 32

Row = Mapping[str, str]


def name_of(digest: str) -> str:
    """Return the file name of an image in a blind set, which says nothing but what it holds."""
    return f"{digest[:_NAME_LENGTH]}.png"


def digests_by_name(images: AuditImages) -> dict[str, str]:
    """Return the digest of the image that each possible name means."""
    found: dict[str, str] = {}
    for number, (file, digest) in enumerate(zip(images.files, images.digests, strict=True)):
        for name in (file, Path(file).name, name_of(digest), str(number)):
            found[name] = digest
    return found


@dataclass(frozen=True)
class NamedImage:
    """The image that a row is about.

    Attributes
    ----------
    line : int
        Of the row.
    name : str
        A file name, or a number.
    set_digest : str
        Of the set, or its beginning; empty where the row does not say.
    numbered : bool
        Whether the name is a number, which another set has too: `index`, or a file name as exports
        give, images/000000017.png.
    """

    line: int
    name: str
    set_digest: str
    numbered: bool


def image_named(path: Path, line: int, row: Row) -> NamedImage:
    """Return the image of a row.

    Raises
    ------
    FileFormatError
        When it names none, or the digest of its set is too short.
    """
    file, number = row.get("file_name", "").strip(), row.get("index", "").strip()
    if not (file or number):
        fail(path, line, "must name an image, as file_name or index", ", ".join(row.values()))
    numbered = not file or is_numbered(file)
    return NamedImage(line, file or number, _set_digest(path, line, row), numbered)


def is_numbered(name: str) -> bool:
    """Return whether a name is a number, as exports give, which another set has too."""
    return Path(name).stem.isdigit()


def _set_digest(path: Path, line: int, row: Row) -> str:
    """Return the digest of the set that a row names, or its beginning; empty for none."""
    digest = row.get("set_digest", "").strip().lower()
    if digest and len(digest) < _SHORTEST_DIGEST:
        rule = f"must have in set_digest a digest, or at least {_SHORTEST_DIGEST} digits of it"
        fail(path, line, rule, digest, "Copy it from the set's README.txt, or leave it out.")
    return digest


def check_set(path: Path, line: int, row: Row, images: AuditImages) -> bool:
    """Refuse a row that names another set; return whether it names this one.

    Raises
    ------
    FileFormatError
        When it does, or the digest is too short.
    """
    digest = _set_digest(path, line, row)
    _refuse_other(path, line, digest, images)
    return bool(digest)


def _refuse_other(path: Path, line: int, digest: str, images: AuditImages) -> None:
    if not images.digest.startswith(digest):
        rule = f"must be of the set {images.digest[:SHOWN_DIGITS]}"
        fail(path, line, rule, shown(digest), _OTHER_SET)


def rows_of_images(
    path: Path, named: Sequence[NamedImage], images: AuditImages
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the position of the row of each image that has one, by the image's digest.

    Parameters
    ----------
    path : Path
        The table, for errors.
    named : sequence of NamedImage
        Of each row.
    images : AuditImages

    Returns
    -------
    rows : dict of str to int
    caveats : tuple of str
        What reports say of rows that nothing binds to this set.

    Raises
    ------
    FileFormatError
        When a row names another set or no image of this one, or two rows name the same image.
    """
    digests = digests_by_name(images)
    found: dict[str, int] = {}
    for position, row in enumerate(named):
        _refuse_other(path, row.line, row.set_digest, images)
        digest = digests.get(row.name)
        if digest is None:
            strangers = sum(other.name not in digests for other in named)
            got = f"{row.name}, one of {strangers:,} of {len(named):,} rows that do not"
            fail(path, row.line, "must name an image of the set", got, _OTHER_SET)
        if digest in found:
            rule = f"must name an image that row {named[found[digest]].line} does not"
            fail(path, row.line, rule, row.name, "Keep one answer an image.")
        found[digest] = position
    loose = sum(row.numbered and not row.set_digest for row in named)
    return found, loose_words(loose, len(named), path.name)


def loose_words(loose: int, total: int, name: str) -> tuple[str, ...]:
    """Return what reports say of rows that nothing binds to their set; nothing for none."""
    if not loose:
        return ()
    return (
        f"{loose:,} of {total:,} rows of {name} name their image by a number, and not its set: "
        "nothing shows that they are about these images.",
    )


def number_in(
    path: Path,
    line: int,
    column: str,
    text: str,
    low: float = -inf,
    high: float = inf,
    *,
    remedy: str | None = None,
) -> float:
    """Return a number in a column, which must lie in [low, high].

    Raises
    ------
    FileFormatError
        When it is none, or lies elsewhere.
    """
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not (low <= value <= high and isfinite(value)):
        within = "a number" if low == -inf else f"a number of {low:g} to {high:g}"
        fail(path, line, f"must have {within} in {column}", text, remedy or REMEDY)
    return value


def fail(path: Path, line: int, rule: str, got: str, remedy: str = REMEDY) -> NoReturn:
    """Raise the error of a row."""
    raise FileFormatError(f"row {line} of {path}", rule, shown(got), remedy)


def read_answer_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file with the number of each, values as text, "" for none.

    Parameters
    ----------
    path : Path
        By its suffix, one of `SUFFIXES`.
    columns : sequence of str
        Of a Parquet file only these columns are read, and those that begin with `p.`.

    Raises
    ------
    InputError
        When there is no such file, or its suffix is another.
    FileFormatError
        When it is damaged or too large.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"answers {path}", f"must be a file of {', '.join(SUFFIXES)}", suffix, "Convert it."
        )
    if suffix in (".csv", ".tsv"):
        yield from read_rows(path, [], what="answers")
    elif not path.is_file():
        raise InputError(f"answers {path}", "must be a file", "none", "Correct the path.")
    else:
        found = _parquet_rows(path, columns) if suffix == ".parquet" else _json_rows(path)
        for line, row in found:
            yield line, {str(name): _text(value) for name, value in row.items()}


def _text(value: object) -> str:
    """Return a value as text; None and NaN, which stand for nothing in tables, as ""."""
    return "" if value is None or value != value else str(value)


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    remedy = "Write one JSON object a line."
    text = read_text(path, remedy, rule="must be UTF-8 text", what="answers", limit=LARGEST)
    for line, content in enumerate(text.splitlines(), start=1):
        if content.strip():
            try:
                row = parse_json(content)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise FileFormatError(
                    f"row {line} of {path}", "must be a JSON object", shown(content), remedy
                )
            yield line, row


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    size, line = path.stat().st_size, 0
    try:
        # A small file can hold very many equal and long values, so that rows are counted before
        # they are read, and texts are read as dictionaries and measured before they are copied.
        fields = pq.read_schema(path)
        names = [f.name for f in fields if f.name in columns or f.name.startswith("p.")]
        texts = [name for name in names if not _is_number(fields.field(name).type)]
        for name in texts:
            kind = fields.field(name).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                _refuse_column(path, name, str(kind))
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            if size > LARGEST or file.metadata.num_rows > _MOST_ROWS:
                raise FileFormatError(
                    f"answers {path}",
                    f"must have at most {_MOST_ROWS:,} rows and {LARGEST:,} bytes",
                    f"{file.metadata.num_rows:,} rows, {size:,} bytes",
                    "Split it.",
                )
            for part in file.iter_batches(_BATCH, columns=names):
                for name in texts:
                    _check_texts(path, name, part.column(name))
                for row in part.to_pylist():
                    line += 1
                    yield line, row
    except (ArrowException, OSError) as error:
        raise FileFormatError(
            f"answers {path}", "must be Parquet", shown(str(error)), "Write it again."
        ) from error


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


def _check_texts(path: Path, column: str, values: pa.Array) -> None:
    """Check that no text of a column is too long."""
    longest = pc.max(pc.binary_length(values.dictionary)).as_py() or 0
    if longest > _LONGEST_TEXT:
        _refuse_column(path, column, f"a text of {longest:,}")


def _refuse_column(path: Path, column: str, got: str) -> NoReturn:
    raise FileFormatError(
        f"column {shown(column)} of {path}",
        f"must have numbers, or texts of at most {_LONGEST_TEXT:,} bytes",
        shown(got),
        "Convert the column.",
    )

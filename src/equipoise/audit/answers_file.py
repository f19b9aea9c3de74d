"""Predictions that somebody wrote down: of a service that only its owner can call, for example.

A table has one row an image. Its columns:

- `file_name`: the image's name in the set, or `index`: its number there, from 0;
- `label`: a word, empty where there is no answer, "unknown" for an abstention; or a column
  `p.LEVEL` for each level, with probabilities; or `score`, which thresholds turn into levels;
- optional: `confidence`, in [0, 1], and `seconds`, the time of the response.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import ArrowException

from equipoise.audit.answers import Predictions
from equipoise.audit.images import AuditImages
from equipoise.classifiers.base import FAILED
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of, parse_json, read_text
from equipoise.core.tables import LARGEST, read_rows, shown

_MOST_ROWS, _MOST_LEVELS, _LONGEST_TEXT = 2_000_000, 100, 4096
_BATCH = 4096
_COLUMNS = ("file_name", "index", "label", "score", "confidence", "seconds")
_REMEDY = "Correct the row, or leave it out: its image then counts as one without an answer."
_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
_NAME_LENGTH = 32

Row = Mapping[str, str]


@dataclass(frozen=True)
class _Answer:
    """One row: where it is, the image that it names, and what it says."""

    line: int
    image: str
    level: int
    confidence: float
    seconds: float


@dataclass(frozen=True, eq=False)
class AnswersFile:
    """Recorded predictions of one attribute; stands in for a classifier that cannot be called.

    Attributes
    ----------
    path : Path
    digest : str
        SHA-256 of the file.
    attributes : tuple of Attribute
        The one attribute that it predicts.
    answers : tuple of _Answer
        By row.
    """

    path: Path
    digest: str
    attributes: tuple[Attribute, ...]
    answers: tuple[_Answer, ...]

    pinned = ()

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def caveats(self) -> tuple[str, ...]:
        """What reports say of answers that nobody watched."""
        return (
            f"The answers are those of the file {self.name}; which model gave them, and from which "
            "pixels, is the word of who wrote it.",
        )

    def predictions(self, images: AuditImages) -> Predictions:
        """Return the answers to a set of images; those without an answer failed.

        Raises
        ------
        FileFormatError
            When a row names no image of the set, or two rows name the same image.
        """
        digests = digests_by_name(images)
        rows: dict[str, _Answer] = {}
        for answer in self.answers:
            digest = digests.get(answer.image)
            if digest is None:
                strangers = sum(one.image not in digests for one in self.answers)
                self._fail(
                    answer.line,
                    "must name an image of the set",
                    f"{answer.image}, one of {strangers:,} of {len(self.answers):,} rows that do "
                    "not",
                    "Give the answers to this set, or the set that was answered.",
                )
            if digest in rows:
                first = rows[digest].line
                self._fail(
                    answer.line,
                    f"must name an image that row {first} does not",
                    answer.image,
                    "Keep one answer an image.",
                )
            rows[digest] = answer
        found = [rows.get(digest) for digest in images.digests]
        levels = [FAILED if one is None else one.level for one in found]
        confidence = [np.nan if one is None else one.confidence for one in found]
        seconds = [np.nan if one is None else one.seconds for one in found]
        return Predictions(
            self.attributes,
            np.array(levels, np.int8)[:, None],
            np.array(confidence, np.float32)[:, None],
            asked=0,
            kept=len(rows),
            failed=levels.count(FAILED),
            seconds=0.0,
            responses=np.array(seconds, np.float32),
        )

    def _fail(self, line: int, rule: str, got: str, remedy: str) -> NoReturn:
        raise FileFormatError(f"row {line} of {self.path}", rule, shown(got), remedy)


def name_of(digest: str) -> str:
    """Return the file name of an image in a blind set, which says nothing but what it holds."""
    return f"{digest[:_NAME_LENGTH]}.png"


def read_answers(
    path: Path, attribute: str, levels: Sequence[str] = (), thresholds: Sequence[float] = ()
) -> AnswersFile:
    """Read recorded predictions.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .parquet or .jsonl file; see this module for its columns.
    attribute : str
        What the answers are about.
    levels : sequence of str
        The audited levels, in order; needed for scores.
    thresholds : sequence of float
        Of scores, increasing, one less than levels; a score at a threshold has the upper level.

    Raises
    ------
    InputError
        When there is no such file, or the thresholds break their rule.
    FileFormatError
        When the file is damaged, too large, lacks a column, or a row breaks a rule.
    """
    if list(thresholds) != sorted(set(thresholds)):
        raise InputError("thresholds", "must increase", list(thresholds), "Pass 30 and 45.")
    reader = _Reader(path, tuple(levels), tuple(thresholds))
    answers = [reader.answer(line, row) for line, row in _rows(path)]
    if not answers:
        raise FileFormatError(f"answers {path}", "must have a row", "none", "Write the answers.")
    words = reader.levels()
    if len(words) > _MOST_LEVELS or len(words) < 2:
        raise FileFormatError(
            f"answers {path}",
            f"must have 2 to {_MOST_LEVELS} different labels",
            shown(", ".join(words)),
            "Write words for levels, and numbers in the column score.",
        )
    return AnswersFile(path, digest_of(path), (Attribute(attribute, words),), tuple(answers))


def digests_by_name(images: AuditImages) -> dict[str, str]:
    """Return the digest of the image that each possible name means."""
    found: dict[str, str] = {}
    for number, (file, digest) in enumerate(zip(images.files, images.digests, strict=True)):
        for name in (file, Path(file).name, name_of(digest), str(number)):
            found[name] = digest
    return found


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file with the number of each, values as text, "" for none."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(
            f"answers {path}", f"must be a file of {', '.join(_SUFFIXES)}", suffix, "Convert it."
        )
    if suffix in (".csv", ".tsv"):
        yield from read_rows(path, [], what="answers")
    elif not path.is_file():
        raise InputError(f"answers {path}", "must be a file", "none", "Correct the path.")
    else:
        read = _parquet_rows if suffix == ".parquet" else _json_rows
        for line, row in read(path):
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


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    size, line = path.stat().st_size, 0
    try:
        # A small file can hold very many equal and long values, so that rows are counted before
        # they are read, and texts are read as dictionaries and measured before they are copied.
        fields = pq.read_schema(path)
        names = [f.name for f in fields if f.name in _COLUMNS or f.name.startswith("p.")]
        texts = [name for name in names if not _is_number(fields.field(name).type)]
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
    """Check that a column holds texts, none too long."""
    if not pa.types.is_dictionary(values.type):
        got = str(values.type)
    else:
        longest = pc.max(pc.binary_length(values.dictionary)).as_py() or 0
        got = f"a text of {longest:,}" if longest > _LONGEST_TEXT else ""
    if got:
        raise FileFormatError(
            f"column {shown(column)} of {path}",
            f"must have numbers, or texts of at most {_LONGEST_TEXT:,} bytes",
            shown(got),
            "Convert the column.",
        )


class _Reader:
    """Reads rows by the columns that the first of them has."""

    def __init__(self, path: Path, audited: tuple[str, ...], thresholds: tuple[float, ...]) -> None:
        self._path, self._audited, self._thresholds = path, audited, thresholds
        self._words: dict[str, int] = {}
        self._kind = ""

    def levels(self) -> tuple[str, ...]:
        """Return the levels so far: the audited ones where these are all that occurs."""
        return tuple(self._words)

    def answer(self, line: int, row: Row) -> _Answer:
        """Read one row."""
        if not self._kind:
            self._begin(row)
        image = row.get("file_name", "").strip() or row.get("index", "").strip()
        if not image:
            self._fail(line, "must name an image, as file_name or index", json.dumps(dict(row)))
        level, confidence = getattr(self, f"_{self._kind}")(line, row)
        given = row.get("confidence", "").strip()
        if given:
            confidence = self._number(line, "confidence", given, 0.0, 1.0)
        seconds = row.get("seconds", "").strip()
        taken = self._number(line, "seconds", seconds, 0.0, np.inf) if seconds else np.nan
        return _Answer(line, image, level, confidence, taken)

    def _begin(self, row: Row) -> None:
        """Choose what answers are read from."""
        probabilities = [name for name in row if name.startswith("p.")]
        kinds = [name for name in ("label", "score") if name in row]
        kinds += ["probabilities"] if probabilities else []
        if not kinds or not {"file_name", "index"} & set(row):
            raise FileFormatError(
                f"answers {self._path}",
                "must have file_name or index, and label, score, or p.LEVEL for each level",
                shown(", ".join(row)),
                "Name the columns so.",
            )
        # A label says most: what the model answered.
        self._kind = kinds[0]
        if self._kind == "probabilities":
            self._words = {name[2:]: i for i, name in enumerate(probabilities)}
            return
        self._words = {word: i for i, word in enumerate(self._audited)}
        if self._kind == "score" and len(self._thresholds) != len(self._audited) - 1:
            raise InputError(
                "thresholds",
                f"must be one less than the levels {', '.join(self._audited) or 'none'}",
                list(self._thresholds),
                "Pass --threshold 30 --threshold 45 for three levels.",
            )

    def _label(self, line: int, row: Row) -> tuple[int, float]:
        word = row.get("label", "").strip()
        if word in ("", UNKNOWN_NAME):
            return (UNKNOWN if word else FAILED), np.nan
        if word not in self._words and len(self._words) > _MOST_LEVELS:
            self._fail(line, f"must have one of at most {_MOST_LEVELS} labels", word)
        return self._words.setdefault(word, len(self._words)), np.nan

    def _score(self, line: int, row: Row) -> tuple[int, float]:
        text = row.get("score", "").strip()
        if not text:
            return FAILED, np.nan
        score = self._number(line, "score", text, -np.inf, np.inf)
        return int(np.searchsorted(self._thresholds, score, side="right")), np.nan

    def _probabilities(self, line: int, row: Row) -> tuple[int, float]:
        texts = [row.get(f"p.{word}", "").strip() for word in self._words]
        if not any(texts):
            return FAILED, np.nan
        values = [
            self._number(line, f"p.{word}", text, 0.0, 1.0)
            for word, text in zip(self._words, texts, strict=True)
        ]
        return int(np.argmax(values)), max(values)

    def _number(self, line: int, column: str, text: str, low: float, high: float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not (low <= value <= high and np.isfinite(value)):
            within = "a number" if low == -np.inf else f"a number of {low:g} to {high:g}"
            self._fail(line, f"must have {within} in {column}", text)
        return value

    def _fail(self, line: int, rule: str, got: str) -> NoReturn:
        raise FileFormatError(f"row {line} of {self._path}", rule, shown(got), _REMEDY)

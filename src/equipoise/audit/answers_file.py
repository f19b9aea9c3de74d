"""Predictions that somebody wrote down: of a service that only its owner can call, for example.

A table has one row an image. Its columns:

- `file_name`: the image's name in the set, or `index`: its number there, from 0;
- optional, and of use beside numbers: `set_digest`, that of the set;
- `label`: a word, empty where there is no answer, "no_face" where no face was found, "unknown"
  for an abstention; or a column `p.LEVEL` for each level, with probabilities; or `score`, which
  thresholds turn into levels;
- optional: `confidence`, in [0, 1], and `seconds`, the time of the response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.audit.answer_rows import (
    NamedImage,
    Row,
    fail,
    image_named,
    number_in,
    read_answer_rows,
    rows_of_images,
)
from equipoise.audit.answers import Predictions
from equipoise.audit.images import AuditImages
from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import digest_of
from equipoise.core.tables import shown

_MOST_LEVELS = 100
_NO_LEVEL = {"": FAILED, "no_face": NO_FACE, UNKNOWN_NAME: UNKNOWN}
"""What labels mean that are no levels, in any case of their letters."""
_COLUMNS = ("file_name", "index", "set_digest", "label", "score", "confidence", "seconds")


@dataclass(frozen=True)
class _Answer:
    """One row: the image that it names, and what it says."""

    image: NamedImage
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
        named = [answer.image for answer in self.answers]
        rows, caveats = rows_of_images(self.path, named, images)
        found = [
            self.answers[rows[digest]] if digest in rows else None for digest in images.digests
        ]
        levels = [FAILED if one is None else one.level for one in found]
        confidence = [np.nan if one is None else one.confidence for one in found]
        seconds = [np.nan if one is None else one.seconds for one in found]
        return Predictions(
            self.attributes,
            np.array(levels, np.int8)[:, None],
            np.array(confidence, np.float32)[:, None],
            asked=0,
            kept=len(rows),
            failed=levels.count(FAILED) + levels.count(NO_FACE),
            seconds=0.0,
            responses=np.array(seconds, np.float32),
            caveats=caveats,
        )


def read_answers(
    path: Path,
    attribute: str,
    levels: Sequence[str] = (),
    thresholds: Sequence[float] = (),
    *,
    words: Sequence[str] = (),
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
    words : sequence of str
        Labels that the model may give, beside those that occur.

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
    answers = [reader.answer(line, row) for line, row in read_answer_rows(path, _COLUMNS)]
    if not answers:
        raise FileFormatError(f"answers {path}", "must have a row", "none", "Write the answers.")
    known = reader.levels(words)
    if len(known) > _MOST_LEVELS or len(known) < 2:
        raise FileFormatError(
            f"answers {path}",
            f"must have 2 to {_MOST_LEVELS} different labels",
            shown(", ".join(known)),
            "Write words for levels, and numbers in the column score.",
        )
    return AnswersFile(path, digest_of(path), (Attribute(attribute, known),), tuple(answers))


class _Reader:
    """Reads rows by the columns that the first of them has."""

    def __init__(self, path: Path, audited: tuple[str, ...], thresholds: tuple[float, ...]) -> None:
        self._path, self._audited, self._thresholds = path, audited, thresholds
        self._words: dict[str, int] = {}
        self._kind = ""

    def levels(self, more: Sequence[str]) -> tuple[str, ...]:
        """Return the levels so far, and some that need not occur."""
        return tuple(dict.fromkeys((*self._words, *(more if self._kind == "label" else ()))))

    def answer(self, line: int, row: Row) -> _Answer:
        """Read one row."""
        if not self._kind:
            self._begin(row)
        image = image_named(self._path, line, row)
        level, confidence = getattr(self, f"_{self._kind}")(line, row)
        given = row.get("confidence", "").strip()
        if given:
            confidence = number_in(self._path, line, "confidence", given, 0.0, 1.0)
        seconds = row.get("seconds", "").strip()
        taken = number_in(self._path, line, "seconds", seconds, 0.0, np.inf) if seconds else np.nan
        return _Answer(image, level, confidence, taken)

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
                "Name the columns so; a column age is for `equipoise audit age`.",
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
        if (none := _NO_LEVEL.get(word.casefold())) is not None:
            return none, np.nan
        if word not in self._words and len(self._words) > _MOST_LEVELS:
            fail(self._path, line, f"must have one of at most {_MOST_LEVELS} labels", word)
        return self._words.setdefault(word, len(self._words)), np.nan

    def _score(self, line: int, row: Row) -> tuple[int, float]:
        text = row.get("score", "").strip()
        if not text:
            return FAILED, np.nan
        score = number_in(self._path, line, "score", text, -np.inf, np.inf)
        return int(np.searchsorted(self._thresholds, score, side="right")), np.nan

    def _probabilities(self, line: int, row: Row) -> tuple[int, float]:
        texts = [row.get(f"p.{word}", "").strip() for word in self._words]
        if not any(texts):
            return FAILED, np.nan
        values = [
            number_in(self._path, line, f"p.{word}", text, 0.0, 1.0)
            for word, text in zip(self._words, texts, strict=True)
        ]
        # Each may be rounded by half its last digit; less where only the likeliest are given.
        digits = max(len(text.partition(".")[2]) for text in texts)
        if not 0 < sum(values) <= 1 + len(values) * max(0.5 * 10.0**-digits, 1e-6):
            rule = "must have probabilities of one answer, which sum to at most 1, and not to 0"
            fail(self._path, line, rule, ", ".join(texts))
        return int(np.argmax(values)), max(values)

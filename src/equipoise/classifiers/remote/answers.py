"""Interpretation of a service's JSON answers: paths into them, and predictions from them.

Each kind of attribute (`kinds`) is a record with a method `read`, which returns a `Verdict` or
raises `WrongShape`. A path is written like `faces[0].gender` or `faces[0].expressions.*`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from equipoise.classifiers.base import Prediction
from equipoise.core import files
from equipoise.core.attributes import Attribute


class WrongShape(Exception):
    """The answer lacks what the description refers to."""


class Unmapped(WrongShape):
    """A label that the description maps to no level. Repeating the request would not help."""


@dataclass(frozen=True)
class Verdict:
    """The prediction of one attribute of one image; its probabilities sum to 1."""

    level: int
    probabilities: tuple[float, ...]
    score: float


class AttributeReading(Protocol):
    """How one attribute is read from an answer."""

    @property
    def attribute(self) -> Attribute: ...  # noqa: D102

    def read(self, document: Any) -> Verdict:
        """Return the prediction of the attribute, or raise `WrongShape`."""
        ...


@dataclass(frozen=True)
class NoFace:
    """The condition for "no face" on a value: `rule` is "empty", "missing" or "equal"."""

    path: AnswerPath
    rule: str
    value: object = None

    def holds(self, document: Any) -> bool:
        """Return whether the condition holds for an answer."""
        found = self.path.find(document)
        if self.rule == "missing":
            return found is MISSING
        if self.rule == "empty":
            return isinstance(found, list | dict | str) and not found
        return type(found) is type(self.value) and found == self.value


@dataclass(frozen=True)
class AnswerReading:
    """How a description reads an answer: the condition for "no face", and the attributes."""

    no_face: NoFace | None
    attributes: tuple[AttributeReading, ...]

    def read(self, text: str) -> tuple[Verdict, ...] | None:
        """Return one verdict per attribute, or None for "no face".

        Raises
        ------
        WrongShape
            When the text is not JSON, or lacks what the description refers to; `Unmapped` for a
            label without a level.
        """
        document = parse_json(text)
        if self.no_face is not None and self.no_face.holds(document):
            return None
        return tuple(reading.read(document) for reading in self.attributes)


def parse_json(text: str) -> Any:
    """Return the JSON object or list in a text; NaN and infinity are refused.

    Raises
    ------
    WrongShape
        When the text holds neither.
    """
    try:
        document = files.parse_json(text, strict=True)
    except ValueError as error:
        raise WrongShape(f"not JSON: {str(error)[:80]}") from None
    if not isinstance(document, dict | list):
        raise WrongShape("neither a JSON object nor a list")
    return document


def abstention(attribute: Attribute, level: int) -> Verdict:
    """Return the verdict of an image with level `UNKNOWN` or `FAILED`: equal probabilities."""
    count = len(attribute.levels)
    return Verdict(level, (1 / count,) * count, math.nan)


def predictions(
    attributes: Sequence[Attribute], rows: Sequence[tuple[Verdict, ...] | int]
) -> tuple[Prediction, ...]:
    """Return one `Prediction` per attribute.

    Parameters
    ----------
    attributes : sequence of Attribute
    rows : sequence of tuple of Verdict, or of int
        For each image one verdict per attribute, or `UNKNOWN` or `FAILED` for all of them.
    """
    found = []
    for a, attribute in enumerate(attributes):
        column = [abstention(attribute, r) if isinstance(r, int) else r[a] for r in rows]
        shape = (len(rows), len(attribute.levels))
        found.append(
            Prediction(
                np.array([v.level for v in column], np.int8),
                np.array([v.probabilities for v in column], np.float32).reshape(shape),
                np.array([v.score for v in column], np.float32),
            )
        )
    return tuple(found)


_STEP = re.compile(r"\[(\d{1,4})\]|(?:^|\.)([A-Za-z0-9_$@-]+)")

MISSING = object()
"""Result of `AnswerPath.find` where the answer has no value at the path, or null."""


@dataclass(frozen=True)
class AnswerPath:
    """A path to a value in a JSON document.

    Attributes
    ----------
    text : str
        The path as written.
    steps : tuple of str or int
        Keys of objects and positions in lists.
    """

    text: str
    steps: tuple[str | int, ...]

    def find(self, document: Any) -> Any:
        """Return the value at the path, or `MISSING`.

        Examples
        --------
        >>> parse_path("faces[0].gender").find({"faces": [{"gender": "male"}]})
        'male'
        """
        here = document
        for step in self.steps:
            if isinstance(step, int):
                found = isinstance(here, list) and step < len(here)
            else:
                found = isinstance(here, dict) and step in here
            if not found:
                return MISSING
            here = here[step]
        return MISSING if here is None else here


def parse_path(text: str) -> AnswerPath:
    """Parse a path.

    Raises
    ------
    ValueError
        When the text does not consist of keys joined by dots, with positions in brackets.
    """
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            break
        steps.append(int(match[1]) if match[1] else match[2])
        end = match.end()
    if end != len(text) or not steps or text.startswith("."):
        raise ValueError("must be keys and positions, as in faces[0].gender")
    return AnswerPath(text, tuple(steps))

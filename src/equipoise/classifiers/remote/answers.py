"""From a service's JSON answer to levels: what a description's attributes ask of it.

Each kind of attribute (`kinds`) is a record with `read`, which gives a `Verdict` or raises
`WrongShape`. Probabilities of a verdict sum to 1.

Places in a JSON answer: `faces[0].gender`, `faces[0].expressions.*`.
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
    """An answer without what the description looks for."""


class Unmapped(WrongShape):
    """A label that the description maps to no level: the service would only say it again."""


@dataclass(frozen=True)
class Verdict:
    """The answer on one attribute of one image."""

    level: int
    probabilities: tuple[float, ...]
    score: float


class AttributeReading(Protocol):
    """How one attribute is read."""

    @property
    def attribute(self) -> Attribute: ...  # noqa: D102

    def read(self, document: Any) -> Verdict:
        """Return what the answer says on the attribute, or raise `WrongShape`."""
        ...


@dataclass(frozen=True)
class NoFace:
    """What means that the service saw no face: `rule` is "empty", "missing" or "equal"."""

    path: AnswerPath
    rule: str
    value: object = None

    def holds(self, document: Any) -> bool:
        """Tell whether the answer says so."""
        found = self.path.find(document)
        if self.rule == "missing":
            return found is MISSING
        if self.rule == "empty":
            return isinstance(found, list | dict | str) and not found
        return type(found) is type(self.value) and found == self.value


@dataclass(frozen=True)
class AnswerReading:
    """All that a description reads from an answer."""

    no_face: NoFace | None
    attributes: tuple[AttributeReading, ...]

    def read(self, text: str) -> tuple[Verdict, ...] | None:
        """Return one verdict an attribute, or None for "no face".

        Raises
        ------
        WrongShape
            When the text is not JSON, or lacks what is looked for; `Unmapped` for a label that
            is no level.
        """
        document = parse_json(text)
        if self.no_face is not None and self.no_face.holds(document):
            return None
        return tuple(reading.read(document) for reading in self.attributes)


def parse_json(text: str) -> Any:
    """Return the JSON object or list of a text; NaN and infinity are refused.

    Raises
    ------
    WrongShape
        When it is none.
    """
    try:
        document = files.parse_json(text, strict=True)
    except ValueError as error:
        raise WrongShape(f"not JSON: {str(error)[:80]}") from None
    if not isinstance(document, dict | list):
        raise WrongShape("neither a JSON object nor a list")
    return document


def abstention(attribute: Attribute, level: int) -> Verdict:
    """Return the verdict of an image without an answer: `UNKNOWN` or `FAILED`, uniform."""
    count = len(attribute.levels)
    return Verdict(level, (1 / count,) * count, math.nan)


def readings(
    attributes: Sequence[Attribute], rows: Sequence[tuple[Verdict, ...] | int]
) -> tuple[Prediction, ...]:
    """Return one `Prediction` an attribute from rows of verdicts, or of `UNKNOWN` or `FAILED`."""
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
"""What `AnswerPath.find` gives where the answer has no such place, or null there."""


@dataclass(frozen=True)
class AnswerPath:
    """A place in a JSON document.

    Attributes
    ----------
    text : str
        As written.
    steps : tuple of str or int
        Keys of objects and positions in lists.
    """

    text: str
    steps: tuple[str | int, ...]

    def find(self, document: Any) -> Any:
        """Return the value at this place, or `MISSING`.

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
    """Return a place from its text.

    Raises
    ------
    ValueError
        When the text is not keys joined by dots, with positions in brackets.
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

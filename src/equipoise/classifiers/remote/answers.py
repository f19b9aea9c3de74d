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
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.core import files
from equipoise.core.attributes import Attribute
from equipoise.core.tables import shown


class WrongShape(Exception):
    """The answer lacks what the description refers to."""


class Unmapped(WrongShape):
    """A label that the description maps to no level."""


class NotWhole(WrongShape):
    """A text that is no whole JSON; only here may repeating the request help."""


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
            When the answer lacks what the description refers to, and then names the places that
            it has; `Unmapped` for a label without a level; `NotWhole` when the text is not JSON.
        """
        document = parse_json(text)
        if self.no_face is not None and self.no_face.holds(document):
            return None
        try:
            return tuple(reading.read(document) for reading in self.attributes)
        except Unmapped:
            raise
        except WrongShape as error:
            raise WrongShape(f"{error}; the answer has {places(document) or 'nothing'}") from None


@dataclass(frozen=True)
class DescriptorReading:
    """How a description reads a descriptor: where its numbers are, and how many."""

    no_face: NoFace | None
    path: AnswerPath
    length: int

    def read(self, text: str) -> NDArray[np.float32] | None:
        """Return a descriptor, shape (length,), or None for "no face".

        Raises
        ------
        WrongShape
            When the answer has no such numbers; `NotWhole` when the text is not JSON.
        """
        document = parse_json(text)
        if self.no_face is not None and self.no_face.holds(document):
            return None
        found = self.path.find(document)
        if not isinstance(found, list) or len(found) != self.length:
            got = f"{len(found)} of them" if isinstance(found, list) else "none"
            raise WrongShape(
                f"{self.path.text} must hold {self.length} numbers, and holds {got}; the answer "
                f"has {places(document) or 'nothing'}"
            )
        numbers = np.array([finite_number(one, self.path) for one in found])
        # Their direction is what counts: numbers beyond those of float32 are made less.
        return np.asarray(numbers / max(np.abs(numbers).max() / _LARGEST, 1.0), np.float32)


def parse_json(text: str) -> Any:
    """Return the JSON document in a text; NaN and infinity are refused.

    Raises
    ------
    WrongShape
        When a whole text is not what JSON allows; `NotWhole` for any other text.
    """
    try:
        return files.parse_json(text, strict=True)
    except ValueError as error:
        reason = f"not JSON: {str(error)[:80]}"
    try:
        files.parse_json(text)
    except ValueError:
        raise NotWhole(reason) from None
    raise WrongShape(reason)


_LARGEST = float(np.finfo(np.float32).max)

_SHOWN = 200
"""Characters of the places of an answer that a message shows."""


def places(document: Any) -> str:
    """Return the places of the values in a document, of each list the first, for a message.

    Examples
    --------
    >>> places({"faces": [{"skin tone": "dark", "p": 0.9}, {}], "n": 1})
    'faces[0]["skin tone"], faces[0].p, n'
    """
    found: list[str] = []

    def walk(here: Any, at: str) -> None:
        if len(", ".join(found)) > _SHOWN or at.count("[") + at.count(".") > 20:
            return
        if isinstance(here, dict) and here:
            for key, value in here.items():
                plain = f"{at}.{key}" if at else key
                walk(value, plain if _KEY.fullmatch(key) else f'{at}["{shown(key)}"]')
        elif isinstance(here, list) and here:
            walk(here[0], f"{at}[0]")
        else:
            found.append(at or ".")

    walk(document, "")
    text = ", ".join(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}.."


def abstention(attribute: Attribute, level: int) -> Verdict:
    """Return the verdict of an image with a level below 0: equal probabilities."""
    count = len(attribute.levels)
    return Verdict(level, (1 / count,) * count, math.nan)


def predictions(
    attributes: Sequence[Attribute],
    rows: Sequence[tuple[Verdict, ...] | int],
    seconds: Sequence[float],
) -> tuple[Prediction, ...]:
    """Return one `Prediction` per attribute.

    Parameters
    ----------
    attributes : sequence of Attribute
    rows : sequence of tuple of Verdict, or of int
        For each image one verdict per attribute, or `NO_FACE` or `FAILED` for all of them.
    seconds : sequence of float
        Time of each response; NaN for none.
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
                np.array(seconds, np.float32),
            )
        )
    return tuple(found)


def finite_number(found: Any, path: AnswerPath) -> float:
    """Return the number at a path, or raise `WrongShape`."""
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise WrongShape(f"{path.text} is missing or not a number")
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise WrongShape(f"{path.text} is too large a number")
    return number


_KEY = re.compile(r"[A-Za-z0-9_$@-]+")

_STEP = re.compile(rf'\[(\d{{1,4}})\]|(?:^|\.)({_KEY.pattern})|\["([^"]{{1,200}})"\]')

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
        Keys of objects and positions in lists; none for the whole document.
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
    """Parse a path; "." is the whole document.

    Raises
    ------
    ValueError
        When the text does not consist of keys joined by dots, or in brackets and quotes, with
        positions in brackets.

    Examples
    --------
    >>> parse_path('[0]["skin tone"].value').steps
    (0, 'skin tone', 'value')
    """
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer("" if text == "." else text):
        if match.start() != end:
            break
        steps.append(int(match[1]) if match[1] else match[2] or match[3])
        end = match.end()
    if text != "." and (end != len(text) or not steps or text.startswith(".")):
        raise ValueError('must be keys and positions, as in faces[0].gender or ["skin tone"]')
    return AnswerPath(text, tuple(steps))

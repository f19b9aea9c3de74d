"""From a service's JSON answer to levels: what a description's attributes ask of it.

Each kind of attribute (`kinds`) is a record with `read`, which answers with a `Verdict` or raises
`WrongShape`. Probabilities of a verdict sum to 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from equipoise.classifiers.base import Reading
from equipoise.classifiers.remote.paths import MISSING, AnswerPath
from equipoise.groups import Attribute


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

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        document = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
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
) -> tuple[Reading, ...]:
    """Return one `Reading` an attribute from rows of verdicts, or of `UNKNOWN` or `FAILED`."""
    found = []
    for a, attribute in enumerate(attributes):
        column = [abstention(attribute, r) if isinstance(r, int) else r[a] for r in rows]
        shape = (len(rows), len(attribute.levels))
        found.append(
            Reading(
                np.array([v.level for v in column], np.int8),
                np.array([v.probabilities for v in column], np.float32).reshape(shape),
                np.array([v.score for v in column], np.float32),
            )
        )
    return tuple(found)

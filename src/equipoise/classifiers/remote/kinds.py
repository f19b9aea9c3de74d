"""The kinds of attributes that a description can read from an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.classifiers.remote.answers import (
    AnswerPath,
    Unmapped,
    Verdict,
    WrongShape,
    abstention,
    finite_number,
)
from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, Attribute


@dataclass(frozen=True)
class LabelReading:
    """A label, with its confidence where `confidence` is given.

    The other levels share the remaining probability equally. A confidence below 1/L would
    contradict the label, so it counts as 1/L.
    """

    attribute: Attribute
    path: AnswerPath
    confidence: AnswerPath | None
    scale: float
    names: Mapping[str, str]

    def read(self, document: Any) -> Verdict:  # noqa: D102
        level = _level(self.attribute, self.names, _label(self.path, document), self.path)
        count = len(self.attribute.levels)
        if level == UNKNOWN:
            return abstention(self.attribute, UNKNOWN)
        sure = 1.0
        if self.confidence is not None:
            sure = max(_probability(self.confidence, document, self.scale), 1 / count)
        rest = (1 - sure) / (count - 1)
        return _verdict(self.attribute, level, [sure if i == level else rest for i in range(count)])


@dataclass(frozen=True)
class TableReading:
    """A number for each label: an object, or a list of objects with a label at `key`.

    Numbers are divided by their sum; those of one level are added. When "unknown" has more than
    every level, the prediction is an abstention.
    """

    attribute: Attribute
    path: AnswerPath
    key: str | None
    value: str | None
    names: Mapping[str, str]

    def read(self, document: Any) -> Verdict:  # noqa: D102
        found = self.path.find(document)
        weights = [0.0] * len(self.attribute.levels)
        unknown = 0.0
        for label, weight in self._items(found):
            level = _level(self.attribute, self.names, label, self.path)
            if level == UNKNOWN:
                unknown += weight
            else:
                weights[level] += weight
        if sum(weights) + unknown <= 0:
            raise WrongShape(f"{self.path.text} holds no number above 0")
        if unknown > max(weights):
            return abstention(self.attribute, UNKNOWN)
        shares = [weight / sum(weights) for weight in weights]
        return _verdict(self.attribute, shares.index(max(shares)), shares)

    def _items(self, found: Any) -> list[tuple[str, float]]:
        if self.key is None and isinstance(found, dict):
            pairs = list(found.items())
        elif self.key is not None and isinstance(found, list):
            rows = [row if isinstance(row, dict) else {} for row in found]
            pairs = [(row.get(self.key), row.get(self.value)) for row in rows]
        else:
            raise WrongShape(f"{self.path.text} is missing or of another type")
        items = []
        for label, weight in pairs:
            number = finite_number(weight, self.path)
            if not isinstance(label, str) or number < 0:
                raise WrongShape(f"{self.path.text} must hold labels and numbers of at least 0")
            items.append((label, number))
        return items


@dataclass(frozen=True)
class ProbabilityReading:
    """The probability of the last of two levels, which is predicted above 0.5."""

    attribute: Attribute
    path: AnswerPath
    scale: float

    def read(self, document: Any) -> Verdict:  # noqa: D102
        last = _probability(self.path, document, self.scale)
        return _verdict(self.attribute, int(last > 0.5), [1 - last, last])


@dataclass(frozen=True)
class ScoreReading:
    """A score that thresholds divide into levels; a score at a threshold has the upper level.

    Where `less` is given, the number at that path is subtracted first: some services answer with
    their own threshold.
    """

    attribute: Attribute
    path: AnswerPath
    less: AnswerPath | None
    thresholds: tuple[float, ...]

    def read(self, document: Any) -> Verdict:  # noqa: D102
        score = finite_number(self.path.find(document), self.path)
        if self.less is not None:
            score -= finite_number(self.less.find(document), self.less)
        level = int(np.searchsorted(self.thresholds, score, side="right"))
        shares = [float(i == level) for i in range(len(self.attribute.levels))]
        return Verdict(level, tuple(shares), score)


def _verdict(attribute: Attribute, level: int, shares: Sequence[float]) -> Verdict:
    """Return a verdict with the score of `by_probability`, or the level's number if ordered."""
    score = math.nan
    if len(shares) == 2:
        score = shares[1]
    elif attribute.ordered:
        score = float(level)
    return Verdict(level, tuple(shares), score)


def _label(path: AnswerPath, document: Any) -> str:
    found = path.find(document)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | str):
        return str(found)
    raise WrongShape(f"{path.text} is missing or not a label")


def _level(attribute: Attribute, names: Mapping[str, str], label: str, path: AnswerPath) -> int:
    name = names.get(label, label)
    if name == UNKNOWN_NAME:
        return UNKNOWN
    if name not in attribute.levels:
        raise Unmapped(f"{path.text} holds {label[:40]!r}, which is mapped to no level")
    return attribute.levels.index(name)


_ROUNDING = 1e-6
"""How far a probability may lie outside [0, 1], for services that round."""


def _probability(path: AnswerPath, document: Any, scale: float) -> float:
    found = finite_number(path.find(document), path) / scale
    if not -_ROUNDING <= found <= 1 + _ROUNDING:
        raise WrongShape(f"{path.text} is not in [0, {scale:g}]")
    return min(max(found, 0.0), 1.0)

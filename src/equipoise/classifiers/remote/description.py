"""The description of a remote model, and the part of it that interprets answers.

A description states which request is sent, and what its answer means: `[no_face]`, and each
`[[attribute]]` or `[descriptor]`. Answers are cached by the request alone (`request_digest`), so a
new interpretation of old answers sends no request. `toml_file` reads whole descriptions.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from equipoise.classifiers.remote.answers import (
    AnswerPath,
    AnswerReading,
    AttributeReading,
    DescriptorReading,
    NoFace,
    parse_path,
)
from equipoise.classifiers.remote.kinds import (
    LabelReading,
    ProbabilityReading,
    ScoreReading,
    TableReading,
)
from equipoise.core.attributes import UNKNOWN_NAME, Attribute
from equipoise.core.errors import InputError
from equipoise.core.toml_tables import Table
from equipoise.runtimes.http.image_encoding import Picture
from equipoise.runtimes.http.service import (
    HttpRequest,
    RateLimits,
    RekognitionRequest,
    request_digest,
)
from equipoise.runtimes.http.transport import check_url

Answer = TypeVar("Answer")
"""How answers are read: `AnswerReading`, or `DescriptorReading`."""


@dataclass(frozen=True)
class Description(Generic[Answer]):
    """A remote model: its request, limits, and the interpretation of its answers."""

    name: str
    caveats: tuple[str, ...]
    request: HttpRequest | RekognitionRequest
    picture: Picture
    limits: RateLimits
    answer: Answer

    @property
    def request_digest(self) -> str:
        """SHA-256 of all that determines the service's answer, without secrets and their names."""
        return request_digest(self.request, self.picture)

    @property
    def digest(self) -> str:
        """SHA-256 of the request and of the interpretation of its answers."""
        meaning = f"{self.request_digest} {self.answer!r}"
        return hashlib.sha256(meaning.encode()).hexdigest()

    def at(self, origin: str) -> Description[Answer]:
        """Return this description with another origin, such as "http://127.0.0.1:8700".

        Raises
        ------
        InputError
            When it is not scheme, host and port, or the service has no URL.
        """
        check_url(origin, "origin")
        given = urlsplit(origin)
        if not isinstance(self.request, HttpRequest) or given.path not in ("", "/") or given.query:
            raise InputError("origin", "must be scheme, host and port", origin, "Leave it out.")
        parts = urlsplit(self.request.url)
        url = given._replace(path=parts.path, query=parts.query).geturl()
        return dataclasses.replace(self, request=dataclasses.replace(self.request, url=url))


LONGEST = 65_536
"""Most numbers of a descriptor; chosen by hand."""

KINDS = ("label", "probabilities", "probability", "score")
"""Kinds of attributes, each the name of the field with its path."""


def answer_reading(file: Table) -> AnswerReading:
    """Read `[no_face]` and the attributes of a description.

    Raises
    ------
    InputError
        When a field is missing, unknown, or breaks its rule.
    """
    no_face = _no_face(file)
    attributes = tuple(_attribute(table) for table in file.tables("attribute"))
    names = [reading.attribute.name for reading in attributes]
    if len(set(names)) != len(names):
        raise file.error("attribute", "must have different names", ", ".join(names))
    return AnswerReading(no_face, attributes)


def descriptor_reading(file: Table) -> DescriptorReading:
    """Read `[no_face]` and `[descriptor]` of a description.

    Raises
    ------
    InputError
        When a field is missing, unknown, or breaks its rule.
    """
    table = file.table("descriptor")
    found = DescriptorReading(
        _no_face(file), _path(table, "path"), table.whole("length", None, 2, LONGEST)
    )
    table.done()
    return found


def _no_face(file: Table) -> NoFace | None:
    if "no_face" not in file:
        return None
    table = file.table("no_face")
    path = _path(table, "path")
    rule = table.text("is", "empty", ("empty", "missing", "equal"))
    value = None
    if rule == "equal":
        value = table.value("value", "must be a text, a number or a truth value")
        if not isinstance(value, str | int | float):
            raise table.error("value", "must be a text, a number or a truth value", value)
    table.done()
    return NoFace(path, rule, value)


def _attribute(table: Table) -> AttributeReading:
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        raise table.error(
            "label", f"must be given, or one of {', '.join(KINDS[1:])}", kinds or "none"
        )
    kind = kinds[0]
    attribute = named_attribute(table, kind == "score")
    levels = attribute.levels
    if kind == "score":
        reading: AttributeReading = _score(table, attribute)
    elif kind == "probability":
        if len(levels) != 2:
            raise table.error("levels", "must be two for a probability", levels)
        reading = ProbabilityReading(attribute, _path(table, "probability"), _scale(table))
    elif kind == "probabilities":
        reading = _table(table, attribute)
    else:
        path = _path(table, "label")
        confidence = _path(table, "confidence") if "confidence" in table else None
        scale = _scale(table)
        reading = LabelReading(attribute, path, confidence, scale, level_names(table, attribute))
    table.done()
    return reading


def named_attribute(table: Table, ordered: bool) -> Attribute:
    """Read `name`, `levels` and `ordered`; `ordered` may also follow from the kind."""
    name, levels = table.text("name"), table.texts("levels")
    try:
        return Attribute(name, levels, ordered=table.flag("ordered") or ordered)
    except InputError as error:
        raise table.error("levels", f"{error.argument} {error.rule}", error.got) from error


def cuts(table: Table, attribute: Attribute) -> tuple[float, ...]:
    """Read `thresholds`: in increasing order, one fewer than levels."""
    thresholds = table.numbers("thresholds")
    if len(thresholds) != len(attribute.levels) - 1 or any(a >= b for a, b in pairwise(thresholds)):
        raise table.error("thresholds", "must increase, one fewer than levels", thresholds)
    return thresholds


def _score(table: Table, attribute: Attribute) -> ScoreReading:
    thresholds = cuts(table, attribute)
    less = _path(table, "less") if "less" in table else None
    return ScoreReading(attribute, _path(table, "score"), less, thresholds)


def _table(table: Table, attribute: Attribute) -> TableReading:
    text = table.text("probabilities")
    if text != "*" and not text.endswith(".*"):
        raise table.error("probabilities", "must end with .*", text)
    key = table.text("key") if "key" in table else None
    value = table.text("value") if key is not None else None
    path = _parsed(table, "probabilities", text.removesuffix("*").removesuffix(".") or ".")
    return TableReading(attribute, path, key, value, level_names(table, attribute))


def level_names(table: Table, attribute: Attribute) -> dict[str, str]:
    """Read `map`: from a model's labels to levels, or to "unknown"."""
    names = table.table("map")
    found = {}
    for label in names.fields():
        found[label] = names.text(label, choices=(*attribute.levels, UNKNOWN_NAME))
    return found


def _scale(table: Table) -> float:
    return 100.0 if table.flag("percent") else 1.0


def _path(table: Table, field: str) -> AnswerPath:
    return _parsed(table, field, table.text(field))


def _parsed(table: Table, field: str, text: str) -> AnswerPath:
    try:
        return parse_path(text)
    except ValueError as error:
        raise table.error(field, str(error), text) from None

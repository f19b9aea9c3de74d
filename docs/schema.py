"""Writes the layout of every JSON file that a command leaves, from the classes themselves.

    python docs/schema.py

It writes a JSON schema for each file to `docs/schemas`, and the tables of fields to
`docs/record.md`, between two marks. A test fails when one of them is out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from equipoise.audit.age.record import AgeAudit
from equipoise.audit.photographs.age_record import AgePhotographsAudit
from equipoise.audit.photographs.match_record import MatchPhotographsAudit
from equipoise.audit.photographs.record import FlipPhotographsAudit, PhotographsAudit
from equipoise.audit.preflight.doctor import Examination
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import VerificationAudit
from equipoise.compare.contexts import ContextScore
from equipoise.compare.scores import Score
from equipoise.compare.stored import Refused
from equipoise.contexts.record import BalancedContexts
from equipoise.core.records import INFINITE, field_types, to_json
from equipoise.measure.contexts import ContextsMeasurement
from equipoise.measure.people.task import AnnotationPlan
from equipoise.measure.plan import Plan
from equipoise.methods.context_sweep import ContextSweep
from equipoise.report.card import Card
from equipoise.runs.record import RunRecord, SamplerAnnotation, SamplerQuality
from equipoise.samplers.export.description import DatasetDescription
from equipoise.study.record import Study

DOCS = Path(__file__).parent

FILES: dict[str, tuple[tuple[type, ...], str]] = {
    "record": ((RunRecord,), "`record.json` of a run folder"),
    "quality": ((SamplerQuality,), "`quality.json` of a run folder, by `equipoise quality`"),
    "corrected": (
        (SamplerAnnotation,),
        "`corrected.json` of a run folder, by `equipoise label import --run`",
    ),
    "card": ((Card,), "`card.json` of a run folder, by `equipoise card`"),
    "audit": ((ClassifierAudit,), "`audit.json`, by `equipoise audit classifier`"),
    "superres": ((SuperresAudit,), "`superres.json`, by `equipoise audit superres`"),
    "verification": (
        (VerificationAudit,),
        "`verification.json`, by `equipoise audit verification`",
    ),
    "age": ((AgeAudit,), "`age.json`, by `equipoise audit age`"),
    "photographs": ((PhotographsAudit,), "`photographs.json`, by `equipoise audit photographs`"),
    "photographs-age": (
        (AgePhotographsAudit,),
        "`photographs-age.json`, by `equipoise audit photographs` beside an audit of age",
    ),
    "photographs-superres": (
        (FlipPhotographsAudit,),
        "`photographs-superres.json`, by `equipoise audit photographs` beside an audit of "
        "super-resolution",
    ),
    "photographs-verification": (
        (MatchPhotographsAudit,),
        "`photographs-verification.json`, by `equipoise audit photographs` beside an audit of "
        "verification",
    ),
    "task": ((AnnotationPlan,), "`plan.json` of a task, by `equipoise label export`"),
    "result": ((Score, Refused), "a result of `equipoise compare`, one file per method"),
    "context-result": (
        (ContextScore, Refused),
        "a result of `equipoise compare --contexts`, one file per method",
    ),
    "contexts": (
        (ContextsMeasurement,),
        "the output of `equipoise measure --contexts --json`",
    ),
    "balanced-contexts": (
        (BalancedContexts,),
        "`contexts.json`, by `equipoise balance-contexts`",
    ),
    "sweep": ((ContextSweep,), "the output of `equipoise sweep --json`"),
    "plan": ((Plan,), "the output of `equipoise plan --json`"),
    "dataset": (
        (DatasetDescription,),
        "`dataset.json` of an export, by `equipoise sample --format webdataset`",
    ),
    "study": ((Study,), "`study.json`, by `equipoise study`"),
    "examination": ((Examination,), "the output of `equipoise doctor --json`"),
}
"""For each schema the classes of the record, and the file that has this layout."""

BEGIN, END = "<!-- begin: docs/schema.py -->", "<!-- end: docs/schema.py -->"

_NUMBER = {
    "description": f'NaN is null; infinity is the text "{INFINITE}" or "-{INFINITE}".',
    "anyOf": [{"type": "number"}, {"enum": [None, INFINITE, f"-{INFINITE}"]}],
}
_PLAIN = {
    int: ({"type": "integer"}, "int"),
    str: ({"type": "string"}, "text"),
    bool: ({"type": "boolean"}, "bool"),
    float: ({"$ref": "#/$defs/number"}, "number"),
    types.NoneType: ({"type": "null"}, "null"),
}


def parts(kind: Any) -> Iterator[type]:
    """Yield the records that a type holds, itself included, each as often as it occurs."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield kind
        for of_field in field_types(kind).values():
            yield from parts(of_field)
    else:
        for argument in get_args(kind):
            yield from parts(argument)


def meanings(kind: type) -> dict[str, str]:
    """Return the meaning of each field, from the docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        text = inspect.cleandoc(one.__dict__.get("__doc__") or "")
        for section in re.findall(
            r"^(?:Attributes|Parameters)\n-+\n(.*?)(?=\n\n\S|\Z)", text, re.M | re.S
        ):
            for names, words in re.findall(
                r"^(\w[\w, ]*?) : [^\n]*\n?((?:    [^\n]*\n?|\n)*)", section, re.M
            ):
                for name in names.split(", "):
                    found[name] = " ".join(words.split())
    return found


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a field's type, as `equipoise.core.records` writes it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin in (Union, types.UnionType):
        # A number allows null already.
        kinds = [k for k in arguments if k is not types.NoneType or float not in arguments]
        return {"anyOf": [schema_of(k) for k in kinds]} if kinds[1:] else schema_of(kinds[0])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is np.ndarray:
        whole = issubclass(get_args(arguments[1])[0], np.integer)
        return {"$ref": "#/$defs/integers" if whole else "#/$defs/numbers"}
    if origin is tuple and arguments[1:] == (...,):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is tuple:
        count = len(arguments)
        items = [schema_of(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    return dict(_PLAIN[kind][0])


def words_of(kind: Any) -> str:
    """Return a field's type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return "any"
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    if origin in (Union, types.UnionType):
        return " or ".join(words_of(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(argument)}`" for argument in arguments)
    if origin is np.ndarray:
        return "array of int" if "integers" in schema_of(kind)["$ref"] else "array of number"
    if origin is tuple and arguments[1:] == (...,):
        inner = words_of(arguments[0])
        return f"array of ({inner})" if " or " in inner else f"array of {inner}"
    if origin is tuple:
        return f"[{', '.join(words_of(argument) for argument in arguments)}]"
    if origin is dict:
        return f"object of {words_of(arguments[1])}"
    return _PLAIN[kind][1]


def _record_schema(kind: type) -> dict[str, Any]:
    properties, described = {}, meanings(kind)
    for name, of_field in field_types(kind).items():
        properties[name] = schema_of(of_field)
        if described.get(name):
            properties[name] = {"description": described[name], **properties[name]}
    return {
        "type": "object",
        "description": _summary(kind),
        "properties": properties,
        "required": [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is field.default_factory is dataclasses.MISSING
        ],
        "additionalProperties": False,
    }


def _summary(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one file."""
    kinds, about = FILES[name]
    used = sorted({part for kind in kinds for part in parts(kind)}, key=lambda part: part.__name__)
    arrays = {
        key: {"type": "array", "items": {"anyOf": [leaf, {"$ref": f"#/$defs/{key}"}]}}
        for key, leaf in (
            ("numbers", {"$ref": "#/$defs/number"}),
            ("integers", {"type": "integer"}),
        )
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": about.replace("`", ""),
        **({"anyOf": [schema_of(k) for k in kinds]} if kinds[1:] else schema_of(kinds[0])),
        "$defs": {"number": _NUMBER, **arrays}
        | {part.__name__: _record_schema(part) for part in used},
    }


def _cell(text: str) -> str:
    return re.sub(r"(\d) %", r"\1%", text).replace("``", "`").replace("|", "\\|")


def _table(kind: type) -> list[str]:
    """Return the fields of a record; neighbours of one type and one meaning share a row."""
    described = meanings(kind)
    rows: list[tuple[list[str], str, str]] = []
    for name, of_field in field_types(kind).items():
        type_words, meaning = _cell(words_of(of_field)), _cell(described.get(name, ""))
        if rows and meaning and rows[-1][1:] == (type_words, meaning):
            rows[-1][0].append(f"`{name}`")
        else:
            rows.append(([f"`{name}`"], type_words, meaning))
    lines = [f"| {', '.join(names)} | {words} | {meaning} |" for names, words, meaning in rows]
    return ["| field | type | meaning |", "|---|---|---|", *lines, ""]


def tables() -> str:
    """Return the files and the fields of every record as Markdown."""
    lines = ["| file | record | schema |", "|---|---|---|"]
    for name, (kinds, about) in FILES.items():
        linked = " or ".join(words_of(kind) for kind in kinds)
        lines.append(f"| {about} | {linked} | [{name}.json](schemas/{name}.json) |")
    lines.append("")
    used = dict.fromkeys(
        part for kinds, _ in FILES.values() for kind in kinds for part in parts(kind)
    )
    for kind in used:
        lines += [f"## {kind.__name__}", "", _cell(_summary(kind)), "", *_table(kind)]
    return "\n".join(lines).rstrip() + "\n"


def written() -> dict[Path, str]:
    """Return the content of every file that this script writes."""
    page = DOCS / "record.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    found = {page: f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"}
    for name in FILES:
        text = json.dumps(to_json(schema(name)), indent=1) + "\n"
        found[DOCS / "schemas" / f"{name}.json"] = text
    return found


if __name__ == "__main__":
    for path, content in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")

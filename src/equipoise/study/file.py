"""The file of a study.

study.toml has the tables `[settings]`, as in settings.toml of a run, `[generators]` and
`[targets]`, each with names of your choice, and `[audits.NAME]` for each audit of a classifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.audit.defaults import IMAGES
from equipoise.core.errors import InputError, check_count
from equipoise.core.files import read_toml
from equipoise.core.settings import Settings, from_dict

_REMEDY = "Write the tables as docs/study.md shows."

_TABLES = ("settings", "generators", "targets", "audits")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class AuditWanted:
    """An audit of a classifier, of each run's sampler.

    Attributes
    ----------
    model, attribute : str
        As for `equipoise audit classifier`.
    map : str
        From the model's words to the levels; empty where they are the same.
    n : int
        Verified images.
    """

    model: str
    attribute: str
    map: str = ""
    n: int = IMAGES


@dataclass(frozen=True)
class StudyPlan:
    """What a study file asks for.

    Attributes
    ----------
    runs : dict of (str, str) to Settings
        By the names of generator and target.
    audits : dict of str to AuditWanted
        Of each run.
    """

    runs: dict[tuple[str, str], Settings]
    audits: dict[str, AuditWanted]


def read_study(path: Path) -> StudyPlan:
    """Read a study file.

    Raises
    ------
    InputError
        When the file cannot be read, or a table, a name or a setting breaks its rule.
    """
    tables = read_toml(path, _REMEDY, what="study")
    for name, table in tables.items():
        if name not in _TABLES or not isinstance(table, Mapping):
            rule = f"must be one of the tables {', '.join(_TABLES)}"
            raise InputError(f"{name} in study {path}", rule, table, _REMEDY)
    for name in ("generators", "targets"):
        entries: dict[str, Any] = tables.get(name, {})
        if not entries:
            raise InputError(f"{name} in study {path}", "must name at least one", entries, _REMEDY)
        for key, value in entries.items():
            if not _NAME.fullmatch(key) or not isinstance(value, str):
                rule = "must be a text, under a name of letters, digits, _ and -"
                raise InputError(f"{key} of {name} in study {path}", rule, value, _REMEDY)
    common = tables.get("settings", {})
    for name, instead in (("generator", "generators"), ("target", "targets")):
        if name in common:
            rule, remedy = "must not be given", f"Move it to [{instead}]."
            raise InputError(f"{name} of settings in study {path}", rule, common[name], remedy)
    runs = {
        (generator, target): from_dict({**common, "generator": address, "target": text})
        for generator, address in tables["generators"].items()
        for target, text in tables["targets"].items()
    }
    return StudyPlan(runs, _audits(path, tables.get("audits", {})))


def _audits(path: Path, tables: Mapping[str, Any]) -> dict[str, AuditWanted]:
    kinds = {"model": str, "attribute": str, "map": str, "n": int}
    found = {}
    for name, table in tables.items():
        where = f"audit {name} in study {path}"
        if not _NAME.fullmatch(name) or not isinstance(table, Mapping):
            rule = "must be a table, under a name of letters, digits, _ and -"
            raise InputError(where, rule, table, f"Write [audits.{name}].")
        for key, value in table.items():
            if type(value) is not kinds.get(key):
                rule = "must have model, attribute and map, which are texts, and n, a whole number"
                raise InputError(where, rule, f"{key} = {value!r}", "Correct it.")
        if not {"model", "attribute"} <= table.keys():
            got = ", ".join(table) or "nothing"
            raise InputError(where, "must name model and attribute", got, "Add it.")
        found[name] = AuditWanted(**table)
        check_count("n", found[name].n, f"Write n = {IMAGES} in [audits.{name}].")
    return found

"""The file of a study.

study.toml has three tables: `[settings]`, as in settings.toml of a run, `[generators]` and
`[targets]`, each with names of your choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.files import read_toml
from equipoise.core.settings import Settings, from_dict

_REMEDY = "Write [settings], [generators] and [targets], as docs/study.md shows."

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def read_study(path: Path) -> dict[tuple[str, str], Settings]:
    """Return the settings of each run of a study file, by the names of generator and target.

    Raises
    ------
    InputError
        When the file cannot be read, or a table, a name or a setting breaks its rule.
    """
    tables = read_toml(path, _REMEDY, what="study")
    known = ("settings", "generators", "targets")
    for name, table in tables.items():
        if name not in known or not isinstance(table, Mapping):
            rule = f"must be one of the tables {', '.join(known)}"
            raise InputError(f"{name} in study {path}", rule, table, _REMEDY)
    for name in known[1:]:
        entries: dict[str, Any] = tables.get(name, {})
        if not entries:
            raise InputError(f"{name} in study {path}", "must name at least one", entries, _REMEDY)
        for key, value in entries.items():
            if not _NAME.fullmatch(key) or not isinstance(value, str):
                rule = "must be a text, under a name of letters, digits, _ and -"
                raise InputError(f"{key} of {name} in study {path}", rule, value, _REMEDY)
    common = tables.get("settings", {})
    for name, instead in (("generator", known[1]), ("target", known[2])):
        if name in common:
            rule, remedy = "must not be given", f"Move it to [{instead}]."
            raise InputError(f"{name} of settings in study {path}", rule, common[name], remedy)
    return {
        (generator, target): from_dict({**common, "generator": address, "target": text})
        for generator, address in tables["generators"].items()
        for target, text in tables["targets"].items()
    }

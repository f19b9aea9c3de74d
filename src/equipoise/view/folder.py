"""What lies under a folder: runs, audits, comparisons, tasks for people, and draws.

A name from a request is looked up among what was found here, and is never made into a path. Files
are read as data, within bounds; links that lead elsewhere are not followed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from equipoise.core.completion import SUFFIX
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.files import LARGEST_RECORD, printable, read_json

Kind = Literal[
    "run",
    "working",
    "audit",
    "superres",
    "verification",
    "age",
    "photographs",
    "photographs-age",
    "photographs-superres",
    "photographs-verification",
    "contexts",
    "comparison",
    "task",
    "draws",
]

DAMAGED = "damaged"
"""Title of an entry whose record cannot be read."""

AUDITS: tuple[Kind, ...] = (
    *("audit", "superres", "verification", "age", "photographs", "photographs-age"),
    *("photographs-superres", "photographs-verification"),
)
"""Kinds of audits: each has a record and a page of its name."""

_DEPTH = 6
"""Folders in folders that are looked into."""

_MOST = 50_000
"""Folders that are looked into, and summaries that are kept."""

_FRESH = 1.0
"""Seconds for which a list is good."""

_CLOSED = ("draws-", "drawn", "labels", "pictures", "images", "sheets", "raters", ".")
"""Beginnings of the names of folders that hold no runs."""

_WHOLE: tuple[Kind, ...] = ("audit", "superres", "verification", "age", "task", "comparison")
"""Kinds of folders that hold no others."""

_MARKS: tuple[tuple[str, Kind | None], ...] = (
    ("record.json", "run"),
    ("audit.json", "audit"),
    ("superres.json", "superres"),
    ("verification.json", "verification"),
    ("age.json", "age"),
    ("photographs.json", "photographs"),
    ("photographs-age.json", "photographs-age"),
    ("photographs-superres.json", "photographs-superres"),
    ("photographs-verification.json", "photographs-verification"),
    ("contexts.json", "contexts"),
    ("plan.json", "task"),
    ("metadata.csv", "draws"),
    ("case.txt", "comparison"),
)


@dataclass(frozen=True)
class Entry:
    """A folder with something to look at.

    Attributes
    ----------
    name : str
        Relative to the top folder, with "/"; the top folder's own name where it is the run.
    kind : str
    path : Path
    changed : float
        Seconds since 1970.
    """

    name: str
    kind: Kind
    path: Path
    changed: float


class Folder:
    """The top folder, and what was found under it."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise InputError(
                f"folder {path}", "must be there", "none", "Give the folder of your runs."
            )
        self.path = path.resolve()
        self._found: dict[str, Entry] = {}
        self._read = -1.0
        self._summaries: dict[tuple[str, float], tuple[str, str]] = {}

    def entries(self) -> list[Entry]:
        """Return everything, the newest first; looked up again after a second."""
        if time.monotonic() - self._read > _FRESH:
            found = sorted(self._scan(), key=lambda entry: -entry.changed)
            self._found = {entry.name: entry for entry in found}
            self._read = time.monotonic()
        return list(self._found.values())

    def get(self, name: str, *kinds: Kind) -> Entry:
        """Return an entry by its name.

        Raises
        ------
        InputError
            When there is none, or it is of another kind.
        """
        if name not in self._found:
            self._read = -1.0
            self.entries()
        known = self._found.get(name)
        entry = self._look(known.path)[0] if known else None  # It may have changed since.
        if entry is None or (kinds and entry.kind not in kinds):
            what = f", as {' or '.join(kinds)}" if kinds else ""
            raise InputError("name", f"must be in the folder{what}", name, "See the list.")
        return entry

    def inside(self, path: Path) -> Path | None:
        """Return a file's real path where it is in the top folder, else None."""
        real = path.resolve()
        return real if real.is_relative_to(self.path) and real.is_file() else None

    def _scan(self) -> Iterator[Entry]:
        waiting, seen = [(self.path, 0)], 0
        while waiting and seen < _MOST:
            folder, depth = waiting.pop()
            seen += 1
            entry, inner = self._look(folder)
            if entry is not None:
                yield entry
            if depth < _DEPTH and (entry is None or entry.kind not in _WHOLE):
                waiting += [(path, depth + 1) for path in inner]

    def _look(self, folder: Path) -> tuple[Entry | None, list[Path]]:
        """Return what a folder is, and the folders in it that may hold more."""
        try:
            with os.scandir(folder) as listing:
                names = {item.name: item for item in listing}
        except OSError:
            return None, []
        inner = [
            Path(item.path)
            for name, item in names.items()
            if not name.startswith(_CLOSED) and item.is_dir(follow_symlinks=False)
        ]
        mark, kind = next((pair for pair in _MARKS if _is_file(names.get(pair[0]))), ("", None))
        if (
            kind is None
            and "labels" in names
            and ("pictures" in names or _has_shards(folder / "labels"))
        ):
            mark, kind = "labels", "working"
        if kind is None:
            return None, inner
        name = printable(os.path.relpath(folder, self.path).replace(os.sep, "/"))
        name = printable(self.path.name) if name == "." else name
        changed = names[mark].stat(follow_symlinks=False).st_mtime
        return Entry(name, kind, folder, changed), inner

    def summary(self, entry: Entry) -> tuple[str, str]:
        """Return a title and the verdict of an entry, in words; of a damaged one, why."""
        key = (entry.name, entry.changed)
        if key not in self._summaries:
            if len(self._summaries) > _MOST:
                self._summaries.clear()
            try:
                self._summaries[key] = _summary(entry)
            except EquipoiseError as error:
                return DAMAGED, str(error)
            except (LookupError, TypeError, ValueError, AttributeError):
                return DAMAGED, "The record has another layout."
        return self._summaries[key]


def own(folder: Path, path: Path) -> Path:
    """Return a path to write to, or refuse one that a link in its folder leads elsewhere.

    Raises
    ------
    InputError
        When the path, or a file directly in it, is outside the folder by a link.
    """
    inside = path.iterdir() if path.is_dir() else ()
    home = folder.resolve()
    if not all(one.resolve().is_relative_to(home) for one in (path, *inside)):
        raise InputError(f"path {path}", "must have no link that leads out", "one", "Remove it.")
    return path


def _is_file(item: os.DirEntry[str] | None) -> bool:
    """Return whether a name is that of a regular file: to open a pipe would wait for ever."""
    try:
        return item is not None and item.is_file()
    except OSError:
        return False


def _has_shards(folder: Path) -> bool:
    try:
        with os.scandir(folder) as listing:
            return any(item.name.endswith(SUFFIX) for item in listing)
    except OSError:
        return False


_AUDITED = {
    "superres": "super-resolution",
    "verification": "face verification",
    "age": "age",
    "photographs-age": "age",
    "photographs-superres": "super-resolution",
    "photographs-verification": "face verification",
}
"""What an audit is of, where it is no attribute."""


def _summary(entry: Entry) -> tuple[str, str]:
    def read(name: str) -> dict[str, Any]:
        return read_json(entry.path / name, "Run it again.", limit=LARGEST_RECORD)

    if entry.kind == "run":
        # The card has the same words in a quarter of the record's bytes.
        if (entry.path / "card.json").is_file():
            card = read("card.json")
            after, target = card["after"], card["target"]
        else:
            card = read("record.json")
            after, target = card["results"][0]["representation"], card["target"]
        names = " x ".join(card["settings"]["attributes"])
        title = f"{names} on {card['generator']['name']}, target {target['text']}"
        return title, str(after["verdict"]["words"])
    if entry.kind in AUDITS:
        found = read(f"{entry.kind}.json")
        what = _AUDITED.get(entry.kind)
        by = found["models"][0]["name"]
        beside = ", generated images beside photographs"
        kind = beside if entry.kind.startswith("photographs") else ""
        if (found.get("images") or {}).get("side"):
            kind = " on photographs"
        return f"{what or found['settings']['attribute']} by {by}{kind}", str(found["verdict"])
    if entry.kind == "contexts":
        found = read("contexts.json")
        names = " x ".join(found["settings"]["attributes"])
        sets = len(found["proposals"])
        return f"{names} in {sets:,} contexts of {found['generator']['name']}", found["verdict"]
    if entry.kind == "task":
        attributes = [attribute["name"] for attribute in read("plan.json")["attributes"]]
        return f"labels by people: {', '.join(attributes)}", ""
    return {"working": "under way", "draws": "drawn images"}.get(entry.kind, "methods compared"), ""

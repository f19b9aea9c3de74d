"""Pages as HTML: the list, one entry, several runs side by side. Served, or written to a folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader

from equipoise.core.errors import EquipoiseError
from equipoise.view import schema
from equipoise.view.api_runs import progress_of
from equipoise.view.folder import AUDITS, DAMAGED, Entry, Folder

KINDS = {
    "run": "run",
    "working": "under way",
    "audit": "audit",
    "superres": "audit",
    "verification": "audit",
    "age": "audit",
    "photographs": "audit",
    "photographs-age": "audit",
    "photographs-superres": "audit",
    "photographs-verification": "audit",
    "contexts": "contexts",
    "comparison": "comparison",
    "task": "labels",
    "draws": "images",
}
"""Kinds of entries in words."""


@cache
def _templates() -> Environment:
    from equipoise.report.html import environment

    loaders = [PackageLoader("equipoise.view"), PackageLoader("equipoise.report", ".")]
    found = environment(loader=ChoiceLoader(loaders))
    found.filters["ago"] = _ago
    found.filters["day"] = lambda changed: time.strftime("%Y-%m-%d", time.gmtime(changed))
    found.filters["address"] = quote
    found.filters["short_verdict"] = _short_verdict
    found.filters["token"] = lambda name: hashlib.sha256(name.encode()).hexdigest()[:16]
    return found


def _ago(changed: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> _ago(time.time() - 7300)
    '2 h ago'
    """
    seconds = max(time.time() - changed, 0)
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "now"


def _short_verdict(run: schema.Run) -> str:
    """Return what the list says of an entry: of a verdict, what comes before its reasons."""
    if run.title == DAMAGED:
        return run.words
    return run.words.partition(":")[0]


@dataclass(frozen=True)
class Pages:
    """Makes pages.

    Attributes
    ----------
    folder : Folder
    live : bool
        Whether a server is behind them; else they are files that open from disk.
    read_only : bool
    embedded : bool
        Whether a page is a file in a folder of its entry, and names the entry's own pictures.
    """

    folder: Folder
    live: bool = True
    read_only: bool = False
    embedded: bool = False

    def listed(self, runs: schema.Runs, offset: int = 0, find: str = "") -> str:
        """Return the page of a part of the list."""
        return self._fill("list.html.jinja", "", runs=runs, offset=offset, find=find)

    def entry(self, entry: Entry) -> str:
        """Return the page of an entry; of a damaged one, why it cannot be shown."""
        try:
            return self._entry(entry)
        except EquipoiseError as error:
            return self.refused(str(error), entry)

    def refused(self, error: str, entry: Entry | None = None) -> str:
        """Return the page of an error."""
        up = "" if self.embedded else "../"
        return self._fill("refused.html.jinja", up, entry, error=error)

    def _entry(self, entry: Entry) -> str:
        from equipoise.report.html import Frame

        around = self._around("" if self.embedded else "../", entry)
        frame = Frame(_templates, "shell.html.jinja", self._source(entry), around)
        if entry.kind == "run":
            from equipoise.report.run_page import run_html
            from equipoise.runs.folder import RunFolder

            return run_html(RunFolder(entry.path), frame)
        if entry.kind in AUDITS:
            from equipoise.audit.pages import PAGES

            return PAGES[entry.kind].html(entry.path, frame)
        if entry.kind == "contexts":
            from equipoise.contexts.page import read_contexts_html

            return read_contexts_html(entry.path, frame)
        if entry.kind == "working":
            from equipoise.runs.folder import PRIOR, RunFolder

            source = self._source(entry)
            sheets = [
                ("The generator's own images" if name == PRIOR else f"Draws: {name}", shown)
                for name, path in RunFolder(entry.path).sheets().items()
                if (shown := source(path))
            ]
            return frame.fill("working.html.jinja", progress=progress_of(entry), sheets=sheets)
        if entry.kind == "comparison":
            known, lines, words = _methods(entry.path)
            return frame.fill("comparison.html.jinja", columns=known, rows=lines, words=words)
        if entry.kind == "draws":
            return frame.fill("draws.html.jinja", rows=_counted(entry.path))
        return frame.fill("label.html.jinja" if self.live else "refused.html.jinja", error=_TASK)

    def steer(self, entry: Entry) -> str:
        """Return the page that steers a run and draws from it."""
        return self._fill("steer.html.jinja", "../", entry)

    def compare(self, entries: Sequence[Entry]) -> str:
        """Return the page of runs side by side."""
        from equipoise.runs.folder import RunFolder

        found = [(entry, RunFolder(entry.path).read_record()) for entry in entries]
        return self._fill(
            "compare.html.jinja",
            "",
            None,
            found=[_compared(entry, record) for entry, record in found],
            same=len({record.grid for _, record in found}) <= 1,
        )

    def _fill(self, template: str, up: str, entry: Entry | None = None, **context: Any) -> str:
        from equipoise.report.html import Frame

        frame = Frame(_templates, "shell.html.jinja", around=self._around(up, entry))
        return frame.fill(template, **context)

    def _around(self, up: str, entry: Entry | None) -> dict[str, Any]:
        return {
            "live": self.live,
            "writable": not self.read_only,
            "kinds": KINDS,
            "up": "/" if self.live else up,
            "entry": entry,
            "link": self.link,
        }

    def link(self, name: str) -> str:
        """Return the address of an entry's page, from the top."""
        return f"runs/{quote(name)}" if self.live else f"runs/{quote(file_name(name))}.html"

    def _source(self, entry: Entry) -> Any:
        if self.live:
            return lambda path: (
                f"/api/runs/{quote(entry.name)}/pictures/{quote(path.name)}"
                if self.folder.inside(path)
                else None
            )
        if self.embedded:
            return lambda path: (
                f"../pictures/{quote(path.name)}" if self.folder.inside(path) else None
            )
        own = quote(file_name(entry.name))
        return lambda path: (
            f"../pictures/{own}/{quote(path.name)}" if self.folder.inside(path) else None
        )


_TASK = "Labels are given where the server runs."


def file_name(name: str) -> str:
    """Return an entry's name as one of a file.

    Examples
    --------
    >>> file_name("faces/a")
    'faces~a'
    """
    return name.replace("/", "~")


def _counted(folder: Path) -> list[tuple[str, int, int]]:
    """Return each requested cell with its images, and those that came out as requested."""
    from equipoise.core.tables import read_rows

    counts: dict[str, list[int]] = {}
    for _, row in read_rows(folder / "metadata.csv", ["requested", "achieved"]):
        found = counts.setdefault(row["requested"], [0, 0])
        found[0] += 1
        found[1] += row["achieved"] == row["requested"]
    return [(cell, *both) for cell, both in counts.items()]  # type: ignore[misc]


def _methods(path: Path) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
    """Return headings and rows of a comparison of methods, and what they mean."""
    from equipoise.compare import contexts, page
    from equipoise.compare.run import read_results
    from equipoise.compare.scores import Score

    if within := contexts.read_context_results(path):
        return *contexts.table(within), contexts.EXPLANATION.split("\n\n", 1)[1]
    found = [read_results(path)]
    some = any(isinstance(r, Score) for r in found[0].values())
    words = page.EXPLANATION.split("\n\n", 1)[1]
    return (page.columns(found), page.rows(found), words) if some else ((), (), words)


def _compared(entry: Entry, record: Any) -> dict[str, Any]:
    result = record.results[0]
    cells = result.representation.cells
    modes = result.tilt.verified if result.tilt else ()
    stated = [cell.faithfulness for cell in modes[0].cells] if modes else []
    wanted = [cell for cell in cells if cell.target]
    return {
        "entry": entry,
        "record": record,
        "method": result.method,
        "found": result.representation,
        "least": min(wanted or cells, key=lambda c: c.share if c.n else 1.0),
        "faithful": min(stated, key=lambda e: e.value) if stated else None,
        "calls": modes[0].calls if modes else None,
    }

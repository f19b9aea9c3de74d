"""What the pages of all audits share: from a record on disk to a page beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipoise.files import write_text
from equipoise.report.environment import data_uri
from equipoise.report.layout import layout_of
from equipoise.store import read_object

Record = dict[str, Any]
"""A stored record, as JSON gives it."""


def write_page(
    folder: Path, name: str, command: str, layout: str, to_html: Callable[[Record, Path], str]
) -> Path:
    """Write FOLDER/NAME.html from FOLDER/NAME.json, and return its path.

    Parameters
    ----------
    folder : Path
        Of the audit.
    name : str
        Of record and page, without ending.
    command : str
        Of `equipoise audit`, by which the record is made again.
    layout : str
        The module that tells the record's layout.
    to_html : callable
        From the record and the folder to the page.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the page cannot be written.
    """
    path, page = folder / f"{name}.json", folder / f"{name}.html"
    remedy = f"Run `equipoise audit {command} --out {folder}` again."
    record = read_object(path, remedy)
    with layout_of(f"audit {path}", layout, remedy):
        html = to_html(record, folder)
    write_text(page, html)
    return page


def sheets(folder: Path, shown: list[Record]) -> list[str | None]:
    """Return the picture of each part of a record as a data URI."""
    return [data_uri(folder / "pictures" / part["picture"]) for part in shown]


def worst_first(groups: list[Record], rate: str) -> list[Record]:
    """Order groups by one of their rates, the highest first."""
    return sorted(groups, key=lambda g: -(g[rate]["estimate"]["value"] or 0))


def share(name: str, rate: Record) -> Record:
    """Return a rate as `share_bars` takes it."""
    told = rate["estimate"]
    return {
        "name": name,
        "share": told["value"],
        "joint": None,
        "low": told["low"],
        "high": told["high"],
        "target": None,
    }

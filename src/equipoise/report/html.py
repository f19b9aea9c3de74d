"""Parts of all HTML reports: the templates, embedded pictures, and errors of damaged records."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from equipoise.core.errors import FileFormatError
from equipoise.core.files import read_object, write_text
from equipoise.core.numbers import decimals, number, percent, with_interval
from equipoise.runs.folder import RunFolder

Record = dict[str, Any]
"""A stored record, as JSON holds it."""


def _estimate(found: Record) -> str:
    """Return a stored `Estimate` with its interval."""
    return with_interval(found["value"], found["low"], found["high"])


FILTERS: dict[str, Callable[..., str]] = {
    "decimals": decimals,
    "estimate": _estimate,
    "number": number,
    "percent": percent,
    "thousands": "{:,}".format,
}
"""Filters for numbers, which all templates use."""


def environment() -> Environment:
    """Return the environment of the HTML templates, with the filters that they use."""
    found = Environment(
        loader=PackageLoader("equipoise.report", "."), autoescape=True, undefined=StrictUndefined
    )
    found.filters.update(FILTERS, sentence=_sentence)
    return found


def data_uri(path: Path) -> str | None:
    """Return a PNG file as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _sentence(text: str) -> str:
    """Return a text with its first letter capitalised."""
    return text[:1].upper() + text[1:]


@contextmanager
def layout_of(what: str, layout: str, remedy: str) -> Iterator[None]:
    """Turn exceptions caused by a missing or wrong field into one error that names the record.

    Parameters
    ----------
    what : str
        The record, as the error names it.
    layout : str
        Where its layout is documented.
    remedy : str

    Raises
    ------
    FileFormatError
        When a field is missing or of another type.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise FileFormatError(
            what, f"must have the layout of {layout}", f"{type(error).__name__}: {error}", remedy
        ) from error


def layout_of_run(run: RunFolder) -> AbstractContextManager[None]:
    """Return `layout_of` for the record of a run."""
    return layout_of(
        f"record of run {run.path}",
        "docs/record.md",
        f"Run `equipoise balance --out {run.path}` again.",
    )


def write_page(
    folder: Path, name: str, command: str, layout: str, to_html: Callable[[Record, Path], str]
) -> Path:
    """Write FOLDER/NAME.html from FOLDER/NAME.json, and return its path.

    Parameters
    ----------
    folder : Path
        Of the audit.
    name : str
        Name of record and page, without suffix.
    command : str
        The subcommand of `equipoise audit` that makes the record.
    layout : str
        The module that documents the record.
    to_html : callable
        From the record and the folder to the content of the page.

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
    """Return the contact sheet of each part of a record as a data URI; None where missing."""
    return [data_uri(folder / "pictures" / part["picture"]) for part in shown]


def worst_first(groups: list[Record], rate: str) -> list[Record]:
    """Return groups ordered by one of their rates, the highest first."""
    return sorted(groups, key=lambda g: -(g[rate]["estimate"]["value"] or 0))


def share(name: str, rate: Record) -> Record:
    """Return a rate in the form that `share_bars` needs."""
    found = rate["estimate"]
    interval = {"low": found["low"], "high": found["high"]}
    return {"name": name, "share": found["value"], "joint": None, **interval, "target": None}

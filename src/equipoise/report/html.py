"""What all HTML pages share: templates, how numbers read, pictures inside the file.

One error for a stored record that does not have the layout that a page needs.

Stored numbers as words; null is "not applicable".

What the pages of all audits share: from a record on disk to a page beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from equipoise.core.errors import FileFormatError
from equipoise.core.files import read_object, write_text
from equipoise.runs.folder import RunFolder


def environment() -> Environment:
    """Return where the templates are, with the filters that they use."""
    found = Environment(
        loader=PackageLoader("equipoise.report", "."), autoescape=True, undefined=StrictUndefined
    )
    found.filters.update(percent=percent, number=number, estimate=estimate, sentence=_sentence)
    return found


def data_uri(path: Path) -> str | None:
    """Return the picture as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _sentence(text: str) -> str:
    """Begin with a capital, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


@contextmanager
def layout_of(what: str, layout: str, remedy: str) -> Iterator[None]:
    """Turn what a missing or misshapen field raises into an error that names the record.

    Parameters
    ----------
    what : str
        The record, as the error names it.
    layout : str
        Where its layout is told.
    remedy : str

    Raises
    ------
    FileFormatError
        When the record lacks a field, or it is of another kind.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise FileFormatError(
            what, f"must have the layout of {layout}", f"{type(error).__name__}: {error}", remedy
        ) from error


def layout_of_run(run: RunFolder) -> AbstractContextManager[None]:
    """As `layout_of`, for the figures of a run."""
    return layout_of(
        f"figures of run {run.path}",
        "docs/record.md",
        f"Run `equipoise balance --out {run.path}` again.",
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.125), percent(None)
    ('12.5%', 'not applicable')
    """
    return "not applicable" if value is None else f"{value:.{digits}%}"


def number(value: float | str | None) -> str:
    """Write a number to three figures; "infinite" is stored as that word."""
    if value is None:
        return "not applicable"
    return value if isinstance(value, str) else f"{value:.3g}"


def estimate(found: dict[str, Any]) -> str:
    """Write a stored `Estimate`, with its interval where it has one.

    Examples
    --------
    >>> estimate({"value": 0.5, "low": 0.25, "high": 0.75, "note": ""})
    '0.5 (0.25 to 0.75)'
    """
    if found["low"] is None:
        return number(found["value"])
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"


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

"""Renders a stored audit of a classifier to one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from equipoise.errors import FileFormatError
from equipoise.files import write_text
from equipoise.report.environment import data_uri, environment
from equipoise.report.plots import share_bars
from equipoise.store import read_object

_AXIS = "rate, with an exact 95 % interval for each alone"


def render_audit(folder: Path) -> Path:
    """Write the report of an audit from its record and pictures, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    path = folder / "audit.json"
    remedy = f"Run `equipoise audit classifier --out {folder}` again."
    audit = read_object(path, remedy)
    with layout_of_audit(path, "equipoise.audit.record", remedy):
        html = _to_html(audit, folder)
    report = folder / "audit.html"
    write_text(report, html)
    return report


@contextmanager
def layout_of_audit(path: Path, module: str, remedy: str) -> Iterator[None]:
    """Turn what a missing or misshapen field raises into an error that names the record.

    Raises
    ------
    FileFormatError
        When the record lacks a field, or it is of another kind.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise FileFormatError(
            f"audit {path}",
            f"must have the layout of {module}",
            f"{type(error).__name__}: {error}",
            remedy,
        ) from error


def _to_html(audit: dict[str, Any], folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    return (
        environment()
        .get_template("audit.html.jinja")
        .render(
            audit=audit,
            judged=any(group["error"]["n"] for group in audit["breakdowns"][0]["groups"]),
            rows=[_worst_first(part["groups"]) for part in audit["breakdowns"]],
            bars=[Markup(_bars(part["groups"])) for part in audit["breakdowns"]],
            pictures=[data_uri(folder / "pictures" / wrong["picture"]) for wrong in audit["wrong"]],
            flips=[
                data_uri(folder / "pictures" / flipped["picture"])
                for flipped in (audit["counterfactuals"] or {"flipped": []})["flipped"]
            ],
        )
    )


def _worst_first(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(groups, key=lambda g: -(g["error"]["estimate"]["value"] or 0))


def _bars(groups: list[dict[str, Any]]) -> str:
    """Draw the error rates, or the answers where no truth is known, and the abstentions."""
    ordered = _worst_first(groups)
    series = [("errors", [group["error"] for group in ordered])]
    if not any(group["error"]["n"] for group in groups):
        series = [
            (f"answers {told['level']}", [group["levels"][i]["answered"] for group in ordered])
            for i, told in enumerate(ordered[0]["levels"])
        ]
    if any(group["abstention"]["count"] for group in groups):
        series.append(("abstentions", [group["abstention"] for group in ordered]))
    names = [group["name"] for group in ordered]
    return share_bars(
        [
            (legend, [share(*pair) for pair in zip(names, rates, strict=True)])
            for legend, rates in series
        ],
        _AXIS,
    )


def share(name: str, rate: dict[str, Any]) -> dict[str, Any]:
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

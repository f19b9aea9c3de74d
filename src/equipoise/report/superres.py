"""Renders a stored audit of super-resolution to one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from equipoise.files import write_text
from equipoise.report.audit import layout_of_audit, share
from equipoise.report.environment import data_uri, environment
from equipoise.report.plots import confusion_map, share_bars
from equipoise.store import read_object

_AXIS = "rate of flips, with an exact 95 % interval for each alone"


def render_superres(folder: Path) -> Path:
    """Write the report of an audit from its record and pictures, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    path = folder / "superres.json"
    remedy = f"Run `equipoise audit superres --out {folder}` again."
    audit = read_object(path, remedy)
    with layout_of_audit(path, "equipoise.audit.superres.record", remedy):
        html = _to_html(audit, folder)
    report = folder / "superres.html"
    write_text(report, html)
    return report


def _to_html(audit: dict[str, Any], folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    tables = audit["flips"]
    return (
        environment()
        .get_template("superres.html.jinja")
        .render(
            audit=audit,
            groups=[_worst_first(table["groups"]) for table in tables],
            by_cell=[_worst_first(table["by_cell"]) for table in tables],
            bars=[Markup(_bars(table)) for table in tables],
            maps=[Markup(confusion_map(table["names"], table["counts"])) for table in tables],
            fidelity=sorted(audit["fidelity"], key=lambda f: f["psnr"]["value"]),
            pictures=[data_uri(folder / "pictures" / t["picture"]) for t in audit["triplets"]],
        )
    )


def _worst_first(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(groups, key=lambda g: -(g["flips"]["estimate"]["value"] or 0))


def _bars(table: dict[str, Any]) -> str:
    """Draw the flips of each group when restored and when encoded anew."""
    ordered = _worst_first(table["groups"])
    return share_bars(
        [
            ("encoded anew", [share(g["name"], g["reencoded"]) for g in ordered]),
            ("restored", [share(g["name"], g["flips"]) for g in ordered]),
        ],
        _AXIS,
    )

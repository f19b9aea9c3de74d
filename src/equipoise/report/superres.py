"""Renders a stored audit of super-resolution to one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from equipoise.report.audit_page import Record, share, sheets, worst_first, write_page
from equipoise.report.environment import environment
from equipoise.report.plots import confusion_map, share_bars

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
    return write_page(folder, "superres", "superres", "equipoise.audit.superres.record", _to_html)


def _to_html(audit: Record, folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    tables = audit["flips"]
    return (
        environment()
        .get_template("superres.html.jinja")
        .render(
            audit=audit,
            groups=[worst_first(table["groups"], "flips") for table in tables],
            by_cell=[worst_first(table["by_cell"], "flips") for table in tables],
            bars=[Markup(_bars(table)) for table in tables],
            maps=[Markup(confusion_map(table["names"], table["counts"])) for table in tables],
            fidelity=sorted(audit["fidelity"], key=lambda f: f["psnr"]["value"]),
            pictures=sheets(folder, audit["triplets"]),
        )
    )


def _bars(table: Record) -> str:
    """Draw the flips of each group when restored and when encoded anew."""
    ordered = worst_first(table["groups"], "flips")
    return share_bars(
        [
            ("encoded anew", [share(g["name"], g["reencoded"]) for g in ordered]),
            ("restored", [share(g["name"], g["flips"]) for g in ordered]),
        ],
        _AXIS,
    )

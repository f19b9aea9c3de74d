"""Renders a stored audit of a classifier to one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from equipoise.report.audit_page import Record, share, sheets, worst_first, write_page
from equipoise.report.environment import environment
from equipoise.report.plots import share_bars

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
    return write_page(folder, "audit", "classifier", "equipoise.audit.record", _to_html)


def _to_html(audit: Record, folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    paired = audit["counterfactuals"]
    return (
        environment()
        .get_template("audit.html.jinja")
        .render(
            audit=audit,
            judged=any(group["error"]["n"] for group in audit["breakdowns"][0]["groups"]),
            rows=[worst_first(part["groups"], "error") for part in audit["breakdowns"]],
            bars=[Markup(_bars(part["groups"])) for part in audit["breakdowns"]],
            pictures=sheets(folder, audit["wrong"]),
            flips=sheets(folder, paired["flipped"] if paired else []),
        )
    )


def _bars(groups: list[Record]) -> str:
    """Draw the error rates, or the answers where no truth is known, and the abstentions."""
    ordered = worst_first(groups, "error")
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

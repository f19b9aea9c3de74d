"""The card of a run: JSON for programs, and Markdown for the page of a model or data set.

docs/card.md describes the fields. A card is made from the run folder alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from equipoise.core.files import write_json, write_text
from equipoise.report.html import FILTERS, layout_of_run
from equipoise.report.run_page import METHOD_NAMES
from equipoise.runs.folder import RunFolder

FORMAT = 1
"""Version of the layout."""


def write_card(run: RunFolder) -> Path:
    """Write card.json and card.md of a run, and return the path of the Markdown.

    Raises
    ------
    FileFormatError
        When the record of the run is missing or damaged.
    StorageError
        When the card cannot be written.
    """
    record, later = run.read_record(), run.read_later()
    with layout_of_run(run):
        card = make_card(record, later)
        text = to_markdown(card)
    write_json(run.path / "card.json", card)
    write_text(run.path / "card.md", text)
    return run.path / "card.md"


def make_card(record: dict[str, Any], later: dict[str, dict[str, Any] | None]) -> dict[str, Any]:
    """Return the card of a run, with the fields of docs/card.md.

    Parameters
    ----------
    record : dict
        The run's record, as stored.
    later : dict
        Records of later measurements, "quality" and "corrected"; None for those not made.
    """
    settings, result = record["settings"], record["results"][0]
    corrected = later["corrected"]
    return {
        "format": FORMAT,
        "generator": record["generator"],
        "classifiers": [
            {**model, "known_errors": corrected["errors"] if corrected else None}
            for model in record["models"]
            if model["role"] == "classifier"
        ],
        "attributes": record["grid"]["attributes"],
        "target": record["target"],
        "method": {
            "name": result["method"],
            "beta": result["tilt"]["beta"] if result["tilt"] else None,
            "calls_per_image": result["calls_per_image"],
        },
        "before": _mix(record["prior"]),
        "after": _mix(result["representation"]),
        "purity": result["confusion"]["purity"],
        "corrected": corrected["corrections"] if corrected else None,
        "quality": later["quality"],
        "cost": record["cost"],
        "seed": settings["seed"],
        "settings": settings,
        "versions": record["versions"],
        "caveats": record["caveats"],
    }


def _mix(representation: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a representation that a card has."""
    names = ("n", "unknown", "cells", "kl", "kl_floor", "kl_corrected", "total_variation", "l2")
    return {name: representation[name] for name in (*names, "ratio", "verdict")}


def to_markdown(card: dict[str, Any]) -> str:
    """Return a card as Markdown, for the page of a model or a data set."""
    environment = Environment(
        loader=PackageLoader("equipoise.report", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=_no_markup,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS, cell=_in_table)
    return environment.get_template("card.md.jinja").render(card=card, names=METHOD_NAMES)


def _no_markup(value: object) -> object:
    """Escape characters that Markdown would interpret as HTML."""
    if not isinstance(value, str):
        return value
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _in_table(text: str) -> str:
    """Escape characters that would break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")

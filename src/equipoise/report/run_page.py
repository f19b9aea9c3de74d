"""The report of a stored run as one HTML file that loads nothing from a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from equipoise.core.files import write_text
from equipoise.measure.lighting import lighting_checks
from equipoise.measure.representation import Representation
from equipoise.report.html import ALONE, Frame, consistent, record_of
from equipoise.report.plots import confusion_figure, frontier_figure, share_bars, to_svg
from equipoise.runs.folder import RunFolder
from equipoise.runs.record import Later, RunRecord

METHOD_NAMES = {
    "prior": "the generator's own output",
    "tilt": "tilted sampling",
    "mixture": "mixture fitted to tilted, verified draws",
    "shift-calibrated": "shift and mixture (arXiv 2012.04842), request rates calibrated",
    "shift": "shift and mixture (arXiv 2012.04842), as published",
}
"""Methods in words."""


def render(run: RunFolder) -> Path:
    """Write the report of a run from its record and pictures, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    write_text(run.report, run_html(run))
    return run.report


def run_html(run: RunFolder, frame: Frame = ALONE) -> str:
    """Return the report of a run; raises as `render`."""
    record, later = run.read_record(), run.read_later()
    with consistent(*record_of(run)):
        return _to_html(record, later, run, frame)


def _to_html(record: RunRecord, later: Later, run: RunFolder, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    results = record.results
    series = [("prior", record.prior)] + [(r.method, r.representation) for r in results]
    cells = [share.name for share in record.prior.cells]
    return frame.fill(
        "report.html.jinja",
        record=record,
        quality=later.quality,
        corrected=later.annotation,
        cells=cells,
        names=METHOD_NAMES,
        results=results,
        verdicts=[_verdict(name, representation) for name, representation in series],
        cell_bars=Markup(share_bars([(name, r.cells) for name, r in series])),
        attribute_bars=[
            Markup(share_bars([(name, r.attributes[a]) for name, r in series]))
            for a in range(len(record.grid.attributes))
        ],
        confusions=[
            (r.method, Markup(to_svg(confusion_figure(cells, r.confusion.counts.tolist()))))
            for r in results
        ],
        frontiers=[
            (r.method, Markup(to_svg(frontier_figure(r.tilt.frontier, r.tilt.verified[0].cells))))
            for r in results
            if r.tilt
        ],
        lit=lighting_checks(record.lighting),
        doubtful=frame.sheet(run.path, record.lighting),
        picture=lambda name: frame.source(run.picture(name)),
    )


def _verdict(name: str, representation: Representation) -> dict[str, Any]:
    """Return the numbers of one representation that the report's head shows."""
    cells = representation.cells
    wanted = [c for c in cells if c.target] or cells
    inside = [c for c in cells if c.n and c.joint[0] <= (c.target or 0.0) <= c.joint[1]]
    return {
        "name": name,
        "n": representation.n,
        "unknown": representation.unknown,
        "kl": representation.kl,
        "floor": representation.kl_floor,
        "variation": representation.total_variation,
        "l2": representation.l2,
        "ratio": representation.ratio,
        "p_value": representation.verdict.p_value,
        "words": representation.verdict.words,
        "inside": len(inside),
        "cells": len(cells),
        "least": min(wanted, key=lambda c: c.share if c.n else 1.0),
    }

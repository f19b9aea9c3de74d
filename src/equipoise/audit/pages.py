"""Reports of stored audits, as one HTML file each.

The files load nothing from a network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

from markupsafe import Markup

from equipoise.audit.age.record import AgeAudit
from equipoise.audit.photographs.record import PhotographsAudit
from equipoise.audit.plots import (
    age_figure,
    agreement_figure,
    error_figure,
    flip_figure,
    match_figure,
)
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import VerificationAudit
from equipoise.core.files import write_text
from equipoise.core.records import read_record
from equipoise.report.html import ALONE, Frame, consistent, worst_first
from equipoise.report.plots import confusion_map, to_svg


def _audit_to_html(audit: ClassifierAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    paired, lighting = audit.counterfactuals, audit.lighting
    shown = [lighting] if lighting is not None and lighting.picture else []
    return frame.fill(
        "audit.html.jinja",
        audit=audit,
        has_truth=any(group.error.n for group in audit.breakdowns[0].groups),
        timed=any(not isnan(group.seconds.value) for group in audit.breakdowns[0].groups),
        rows=[worst_first(part.groups, "error") for part in audit.breakdowns],
        bars=[Markup(to_svg(error_figure(part))) for part in audit.breakdowns],
        pictures=frame.sheets(folder, audit.wrong),
        doubtful=next(iter(frame.sheets(folder, shown)), None),
        flips=frame.sheets(folder, paired.flipped if paired else ()),
    )


def _age_to_html(audit: AgeAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    lighting = audit.lighting
    shown = [lighting] if lighting is not None and lighting.picture else []
    return frame.fill(
        "age.html.jinja",
        audit=audit,
        plots=[Markup(to_svg(age_figure(part))) for part in audit.breakdowns],
        doubtful=next(iter(frame.sheets(folder, shown)), None),
    )


def _photographs_to_html(audit: PhotographsAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    bars = [Markup(to_svg(agreement_figure(part))) for part in audit.agreements]
    return frame.fill("photographs.html.jinja", audit=audit, bars=bars)


def _verification_to_html(audit: VerificationAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    tables = [
        replace(table, rates=tuple(sorted(table.rates, key=lambda rate: -rate.share)))
        for table in audit.tables
    ]
    bars = [Markup(to_svg(match_figure(table))) for table in audit.tables]
    return frame.fill("verification.html.jinja", audit=audit, tables=tables, bars=bars)


def _superres_to_html(audit: SuperresAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    tables = audit.flips
    return frame.fill(
        "superres.html.jinja",
        audit=audit,
        groups=[worst_first(table.groups, "flips") for table in tables],
        by_cell=[worst_first(table.by_cell, "flips") for table in tables],
        bars=[Markup(to_svg(flip_figure(table))) for table in tables],
        maps=[Markup(confusion_map(table.names, table.counts)) for table in tables],
        fidelity=sorted(audit.fidelity, key=lambda f: f.psnr.value),
        pictures=frame.sheets(folder, audit.triplets),
    )


_KINDS: dict[str, tuple[str, type[Any], Callable[[Any, Path, Frame], str]]] = {
    "audit": ("classifier", ClassifierAudit, _audit_to_html),
    "superres": ("superres", SuperresAudit, _superres_to_html),
    "verification": ("verification", VerificationAudit, _verification_to_html),
    "age": ("age", AgeAudit, _age_to_html),
    "photographs": ("photographs", PhotographsAudit, _photographs_to_html),
}
"""By the name of the record: the command, the class of the record, and what fills its template."""


def audit_html(folder: Path, name: str, frame: Frame = ALONE) -> str:
    """Return the report of a stored audit.

    Parameters
    ----------
    folder : Path
    name : str
        Of its record, FOLDER/NAME.json: "audit" of a classifier, "superres", "verification", "age"
        or "photographs".
    frame : Frame
        What stands around it.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    """
    command, kind, to_html = _KINDS[name]
    path = folder / f"{name}.json"
    remedy = f"Run `equipoise audit {command} --out {folder}` again."
    record = read_record(path, kind, remedy, what="audit")
    with consistent(f"audit {path}", remedy):
        return to_html(record, folder, frame)


def render_audit(folder: Path, name: str) -> Path:
    """Write the report of an audit beside its record and pictures, and return its path.

    Parameters
    ----------
    folder, name
        As for `audit_html`.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    path = folder / f"{name}.html"
    write_text(path, audit_html(folder, name))
    return path

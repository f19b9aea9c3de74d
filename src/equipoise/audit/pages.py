"""Reports of stored audits, as one HTML file each.

The files load nothing from a network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TypeVar

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


def render_audit(folder: Path) -> Path:
    """Write the report of a classifier's audit from its record and pictures, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write(folder, "audit")


def audit_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of a classifier's audit; raises as `render_audit`."""
    return _page(folder, "audit", "classifier", ClassifierAudit, _audit_to_html, frame)


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


def render_superres(folder: Path) -> Path:
    """Write the report of a super-resolution audit, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write(folder, "superres")


def superres_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of a super-resolution audit; raises as `render_superres`."""
    return _page(folder, "superres", "superres", SuperresAudit, _superres_to_html, frame)


def render_verification(folder: Path) -> Path:
    """Write the report of an audit of face verification, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write(folder, "verification")


def render_age(folder: Path) -> Path:
    """Write the report of an audit of age, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write(folder, "age")


def age_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of an audit of age; raises as `render_age`."""
    return _page(folder, "age", "age", AgeAudit, _age_to_html, frame)


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


def render_photographs(folder: Path) -> Path:
    """Write the report of a comparison with photographs, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write(folder, "photographs")


def photographs_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of a comparison with photographs; raises as `render_photographs`."""
    kind = PhotographsAudit
    return _page(folder, "photographs", "photographs", kind, _photographs_to_html, frame)


def _photographs_to_html(audit: PhotographsAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    bars = [Markup(to_svg(agreement_figure(part))) for part in audit.agreements]
    return frame.fill("photographs.html.jinja", audit=audit, bars=bars)


def verification_html(folder: Path, frame: Frame = ALONE) -> str:
    """Return the report of an audit of face verification; raises as `render_verification`."""
    kind = VerificationAudit
    return _page(folder, "verification", "verification", kind, _verification_to_html, frame)


def _verification_to_html(audit: VerificationAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    tables = [
        replace(table, rates=tuple(sorted(table.rates, key=lambda rate: -rate.share)))
        for table in audit.tables
    ]
    bars = [Markup(to_svg(match_figure(table))) for table in tables]
    return frame.fill("verification.html.jinja", audit=audit, tables=tables, bars=bars)


Audit = TypeVar("Audit")


def _page(
    folder: Path,
    name: str,
    command: str,
    kind: type[Audit],
    to_html: Callable[[Audit, Path, Frame], str],
    frame: Frame,
) -> str:
    """Return the page of the record FOLDER/NAME.json."""
    path = folder / f"{name}.json"
    remedy = f"Run `equipoise audit {command} --out {folder}` again."
    record = read_record(path, kind, remedy, what="audit")
    with consistent(f"audit {path}", remedy):
        return to_html(record, folder, frame)


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


PAGES: dict[str, Callable[[Path, Frame], str]] = {
    "audit": audit_html,
    "superres": superres_html,
    "verification": verification_html,
    "age": age_html,
    "photographs": photographs_html,
}
"""What gives the report of each kind of audit, by the name of its record."""


def _write(folder: Path, name: str) -> Path:
    """Write the report of an audit beside its record, and return its path."""
    path = folder / f"{name}.html"
    write_text(path, PAGES[name](folder, ALONE))
    return path

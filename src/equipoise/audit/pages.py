"""Reports of stored audits, of a classifier or of super-resolution, as one HTML file each.

The files load nothing from a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup

from equipoise.audit.rates import GroupRates
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.superres.flips import Flips
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import VerificationAudit
from equipoise.core.files import write_text
from equipoise.core.records import read_record
from equipoise.report.html import consistent, environment, sheets, worst_first
from equipoise.report.plots import confusion_map, share_bars

_ERROR_AXIS = "rate, with the exact 95 % interval of each"
_FLIP_AXIS = "rate of flips, with the exact 95 % interval of each"
_MATCH_AXIS = "rate of false matches, with the 95 % interval of each"
_MOST_BARS = 24


def render_audit(folder: Path) -> Path:
    """Write the report of a classifier's audit from its record and pictures, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write_page(folder, "audit", "classifier", ClassifierAudit, _audit_to_html)


def _audit_to_html(audit: ClassifierAudit, folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    paired = audit.counterfactuals
    return (
        environment()
        .get_template("audit.html.jinja")
        .render(
            audit=audit,
            has_truth=any(group.error.n for group in audit.breakdowns[0].groups),
            timed=any(not isnan(group.seconds.value) for group in audit.breakdowns[0].groups),
            rows=[worst_first(part.groups, "error") for part in audit.breakdowns],
            bars=[Markup(_audit_bars(part.groups)) for part in audit.breakdowns],
            pictures=sheets(folder, audit.wrong),
            flips=sheets(folder, paired.flipped if paired else ()),
        )
    )


def _audit_bars(groups: Sequence[GroupRates]) -> str:
    """Plot error rates, or shares of predictions without a truth, and abstentions."""
    ordered = worst_first(groups, "error")
    series = [("errors", [group.error for group in ordered])]
    if not any(group.error.n for group in groups):
        series = [
            (f"predicted {of.level}", [group.levels[i].answered for group in ordered])
            for i, of in enumerate(ordered[0].levels)
        ]
    if any(group.abstention.count for group in groups):
        series.append(("abstentions", [group.abstention for group in ordered]))
    return share_bars(series, _ERROR_AXIS)


def render_superres(folder: Path) -> Path:
    """Write the report of a super-resolution audit, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write_page(folder, "superres", "superres", SuperresAudit, _superres_to_html)


def render_verification(folder: Path) -> Path:
    """Write the report of an audit of face verification, and return its path.

    Raises
    ------
    FileFormatError
        When the record is missing or damaged.
    StorageError
        When the report cannot be written.
    """
    return _write_page(
        folder, "verification", "verification", VerificationAudit, _verification_to_html
    )


def _verification_to_html(audit: VerificationAudit, folder: Path) -> str:
    """Fill the template with record and plots."""
    tables = [
        replace(table, rates=tuple(sorted(table.rates, key=lambda rate: -rate.share)))
        for table in audit.tables
    ]
    bars = [
        Markup(share_bars([("false matches", table.rates[:_MOST_BARS])], _MATCH_AXIS))
        for table in tables
    ]
    template = environment().get_template("verification.html.jinja")
    return template.render(audit=audit, tables=tables, bars=bars)


Audit = TypeVar("Audit")


def _write_page(
    folder: Path,
    name: str,
    command: str,
    kind: type[Audit],
    to_html: Callable[[Audit, Path], str],
) -> Path:
    """Write FOLDER/NAME.html from the record FOLDER/NAME.json, and return its path."""
    path, page = folder / f"{name}.json", folder / f"{name}.html"
    remedy = f"Run `equipoise audit {command} --out {folder}` again."
    record = read_record(path, kind, remedy, what="audit")
    with consistent(f"audit {path}", remedy):
        html = to_html(record, folder)
    write_text(page, html)
    return page


def _superres_to_html(audit: SuperresAudit, folder: Path) -> str:
    """Fill the template with record, plots and pictures."""
    tables = audit.flips
    return (
        environment()
        .get_template("superres.html.jinja")
        .render(
            audit=audit,
            groups=[worst_first(table.groups, "flips") for table in tables],
            by_cell=[worst_first(table.by_cell, "flips") for table in tables],
            bars=[Markup(_superres_bars(table)) for table in tables],
            maps=[Markup(confusion_map(table.names, table.counts)) for table in tables],
            fidelity=sorted(audit.fidelity, key=lambda f: f.psnr.value),
            pictures=sheets(folder, audit.triplets),
        )
    )


def _superres_bars(table: Flips) -> str:
    """Plot the flips of each group after restoration and after JPEG."""
    ordered = worst_first(table.groups, "flips")
    return share_bars(
        [
            ("JPEG", [group.reencoded for group in ordered]),
            ("restored", [group.flips for group in ordered]),
        ],
        _FLIP_AXIS,
    )

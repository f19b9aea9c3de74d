"""The report of an audit of face verification."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from equipoise.audit.page import AuditPage
from equipoise.audit.verification.record import VerificationAudit
from equipoise.report.html import Frame
from equipoise.report.plots import to_svg


def _fill(audit: VerificationAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    tables = [
        replace(table, rates=tuple(sorted(table.rates, key=lambda rate: -rate.share)))
        for table in audit.plotted
    ]
    bars = [Markup(to_svg(table.figure())) for table in audit.plotted]
    return frame.fill(
        "verification.html.jinja",
        audit=audit,
        tables=tables,
        bars=bars,
        doubtful=frame.sheet(folder, audit.lighting),
    )


PAGE = AuditPage(name="verification", command="verification", record=VerificationAudit, fill=_fill)

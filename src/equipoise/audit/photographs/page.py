"""The reports of comparisons with photographs."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from equipoise.audit.page import AuditPage
from equipoise.audit.photographs.record import AgePhotographsAudit, PhotographsAudit
from equipoise.report.html import Frame
from equipoise.report.plots import to_svg


def _fill(audit: PhotographsAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record and plots."""
    bars = [Markup(to_svg(part.figure())) for part in audit.agreements]
    return frame.fill("photographs.html.jinja", audit=audit, bars=bars)


PAGE = AuditPage(name="photographs", command="photographs", record=PhotographsAudit, fill=_fill)


def _fill_ages(audit: AgePhotographsAudit, folder: Path, frame: Frame) -> str:
    """Fill the template of ages with record and plots."""
    bars = [Markup(to_svg(part.figure())) for part in audit.agreements]
    return frame.fill("photographs_age.html.jinja", audit=audit, bars=bars)


AGE_PAGE = AuditPage(
    name="photographs-age", command="photographs", record=AgePhotographsAudit, fill=_fill_ages
)

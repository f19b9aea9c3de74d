"""The report of an audit of age."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from equipoise.audit.age.record import AgeAudit
from equipoise.audit.page import AuditPage
from equipoise.report.html import Frame
from equipoise.report.plots import to_svg


def _fill(audit: AgeAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    return frame.fill(
        "age.html.jinja",
        audit=audit,
        plots=[Markup(to_svg(part.figure())) for part in audit.breakdowns],
        doubtful=frame.sheet(folder, audit.lighting),
    )


PAGE = AuditPage(name="age", command="age", record=AgeAudit, fill=_fill)

"""The report of a super-resolution audit."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from equipoise.audit.page import AuditPage
from equipoise.audit.superres.record import SuperresAudit
from equipoise.report.html import Frame, worst_first
from equipoise.report.plots import confusion_figure, to_svg


def _fill(audit: SuperresAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    tables = audit.flips
    return frame.fill(
        "superres.html.jinja",
        audit=audit,
        groups=[worst_first(table.groups, "flips") for table in tables],
        by_cell=[worst_first(table.by_cell, "flips") for table in tables],
        bars=[Markup(to_svg(table.figure())) for table in tables],
        maps=[Markup(to_svg(confusion_figure(table.names, table.counts))) for table in tables],
        fidelity=sorted(audit.fidelity, key=lambda f: f.psnr.value),
        pictures=frame.sheets(folder, audit.triplets),
        doubtful=frame.sheet(folder, audit.lighting),
    )


PAGE = AuditPage(name="superres", command="superres", record=SuperresAudit, fill=_fill)

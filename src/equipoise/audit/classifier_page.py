"""The report of a classifier's audit."""

from __future__ import annotations

from math import isnan
from pathlib import Path

from markupsafe import Markup

from equipoise.audit.page import AuditPage
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.sheets import PAIRS_SHOWN
from equipoise.report.contact_sheets import COLUMNS
from equipoise.report.html import Frame, worst_first
from equipoise.report.plots import to_svg


def _fill(audit: ClassifierAudit, folder: Path, frame: Frame) -> str:
    """Fill the template with record, plots and pictures."""
    paired = audit.counterfactuals
    return frame.fill(
        "audit.html.jinja",
        audit=audit,
        has_truth=any(group.error.n for group in audit.breakdowns[0].groups),
        timed=any(not isnan(group.seconds.value) for group in audit.breakdowns[0].groups),
        rows=[worst_first(part.groups, "error") for part in audit.breakdowns],
        bars=[Markup(to_svg(part.figure())) for part in audit.breakdowns],
        pictures=frame.sheets(folder, audit.wrong),
        doubtful=frame.sheet(folder, audit.lighting),
        flips=frame.sheets(folder, paired.flipped if paired else ()),
        columns=COLUMNS,
        pairs_shown=PAIRS_SHOWN,
    )


PAGE = AuditPage(name="audit", command="classifier", record=ClassifierAudit, fill=_fill)

"""The reports of comparisons with photographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from markupsafe import Markup

from equipoise.audit.page import AuditPage
from equipoise.audit.photographs.age_record import AgePhotographsAudit
from equipoise.audit.photographs.match_record import MatchPhotographsAudit
from equipoise.audit.photographs.record import FlipPhotographsAudit, PhotographsAudit
from equipoise.report.html import Frame
from equipoise.report.plots import to_svg


def _fill(
    template: str,
    audit: PhotographsAudit | AgePhotographsAudit | FlipPhotographsAudit | MatchPhotographsAudit,
    folder: Path,
    frame: Frame,
) -> str:
    """Fill a template with record and plots."""
    bars = [Markup(to_svg(part.figure())) for part in audit.agreements]
    return frame.fill(template, audit=audit, bars=bars)


PAGE = AuditPage(
    name="photographs",
    command="photographs",
    record=PhotographsAudit,
    fill=partial(_fill, "photographs.html.jinja"),
)
AGE_PAGE = AuditPage(
    name="photographs-age",
    command="photographs",
    record=AgePhotographsAudit,
    fill=partial(_fill, "photographs_age.html.jinja"),
)
MATCH_PAGE = AuditPage(
    name="photographs-verification",
    command="photographs",
    record=MatchPhotographsAudit,
    fill=partial(_fill, "photographs_verification.html.jinja"),
)
FLIP_PAGE = AuditPage(
    name="photographs-superres",
    command="photographs",
    record=FlipPhotographsAudit,
    fill=partial(_fill, "photographs_superres.html.jinja"),
)

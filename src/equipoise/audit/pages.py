"""The reports of all kinds of audits, by the names of their records."""

from __future__ import annotations

from typing import Any

from equipoise.audit import classifier_page
from equipoise.audit.age import page as age_page
from equipoise.audit.page import AuditPage
from equipoise.audit.photographs import page as photographs_page
from equipoise.audit.superres import page as superres_page
from equipoise.audit.verification import page as verification_page

PAGES: dict[str, AuditPage[Any]] = {
    one.PAGE.name: one.PAGE
    for one in (classifier_page, superres_page, verification_page, age_page, photographs_page)
}
PAGES |= {
    page.name: page
    for page in (
        photographs_page.AGE_PAGE,
        photographs_page.FLIP_PAGE,
        photographs_page.MATCH_PAGE,
    )
}

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
    page.name: page
    for page in (
        *(classifier_page.PAGE, superres_page.PAGE, verification_page.PAGE, age_page.PAGE),
        *(photographs_page.PAGE, photographs_page.AGE_PAGE),
        *(photographs_page.MATCH_PAGE, photographs_page.FLIP_PAGE),
    )
}

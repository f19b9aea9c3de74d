"""The rates of an audit as a table with a row a rate, for audits whose groups have few of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from equipoise.audit.photographs.record import PhotographsAudit
from equipoise.audit.rate_tables import CSV_HEADER, csv_row, write_rows_of_text
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import VerificationAudit
from equipoise.core.numbers import estimate, percent
from equipoise.stats.shares import Share

Row = tuple[str, str, str, Share]
"""What groups are by, the group, the rate, and its numbers."""

_DIGITS = 3
"""Of percentages: false matches are rare."""


def write_share_table(
    audit: PhotographsAudit | SuperresAudit | VerificationAudit, path: Path
) -> None:
    """Write the rates of all groups, with intervals at 95 %.

    Parameters
    ----------
    audit : PhotographsAudit, SuperresAudit or VerificationAudit
    path : Path
        By its suffix: .csv has numbers between 0 and 1; .md and .tex percentages.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    rows = list(_rows(audit))

    header = ["by", "group", "rate", "events", "n", "value"]
    write_rows_of_text(
        path,
        lambda: [CSV_HEADER, *(csv_row(*row) for row in rows)],
        lambda: (header, [_text(*row) for row in rows]),
    )


def _text(where: str, group: str, rate: str, share: Share) -> list[str]:
    value = estimate(share.estimate, lambda one: percent(one, _DIGITS), missing="-")
    return [where, group, rate, f"{share.count:,}", f"{share.n:,}", value]


def _rows(audit: PhotographsAudit | SuperresAudit | VerificationAudit) -> Iterator[Row]:
    if isinstance(audit, VerificationAudit):
        for table in audit.tables:
            for share in table.rates:
                yield table.where, share.name, "false matches", share
        for share in audit.failures:
            yield "cells", share.name, "without a descriptor", share
    elif isinstance(audit, SuperresAudit):
        for flips in audit.flips:
            for group in flips.groups:
                yield flips.where, group.name, "flips", group.flips
                yield flips.where, group.name, "flips under JPEG", group.reencoded
    else:
        for part in audit.agreements:
            for pair in part.pairs:
                yield part.where, pair.name, "errors, generated images", pair.synthetic
                yield part.where, pair.name, "errors, photographs", pair.real

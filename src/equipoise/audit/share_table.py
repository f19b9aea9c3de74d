"""The rates of an audit as a table with a row a rate, for audits whose groups have few of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from equipoise.audit.rate_tables import CSV_HEADER, csv_row, write_rows_of_text
from equipoise.core.numbers import estimate, percent
from equipoise.stats.shares import Share

Row = tuple[str, str, str, Share]
"""What groups are by, the group, the rate, and its numbers."""

_DIGITS = 3
"""Of percentages: false matches are rare."""


class HasShares(Protocol):
    """An audit whose rates fit such a table."""

    def shares(self) -> Iterable[Row]:
        """Return its rates, group by group."""
        ...


def write_share_table(audit: HasShares, path: Path) -> None:
    """Write the rates of all groups, with intervals at 95 %.

    Parameters
    ----------
    audit : HasShares
    path : Path
        By its suffix: .csv has numbers between 0 and 1; .md and .tex percentages.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    rows = list(audit.shares())
    header = ["by", "group", "rate", "events", "n", "value"]
    write_rows_of_text(
        path,
        lambda: [CSV_HEADER, *(csv_row(*row) for row in rows)],
        lambda: (header, [_text(*row) for row in rows]),
    )


def _text(where: str, group: str, rate: str, share: Share) -> list[str]:
    value = estimate(share.estimate, lambda one: percent(one, _DIGITS), missing="-")
    return [where, group, rate, f"{share.count:,}", f"{share.n:,}", value]

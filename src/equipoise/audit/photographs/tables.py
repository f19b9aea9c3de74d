"""Errors of age on generated images and on photographs as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from equipoise.audit.photographs.age_record import AgePhotographsAudit
from equipoise.audit.rate_tables import write_rows_of_text
from equipoise.core.numbers import decimals, estimate


def write_age_comparison(audit: AgePhotographsAudit, path: Path) -> None:
    """Write the mean errors of all groups in years, with intervals at 95 %.

    Parameters
    ----------
    audit : AgePhotographsAudit
    path : Path
        By its suffix: .csv has a row for each number; .md and .tex a row for each group and mean.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    header = ["by", "group", "mean", "generated images", "photographs", "difference"]
    rows = [
        [part.where, pair.name, part.what]
        + [
            estimate(one, decimals, missing="-")
            for one in (pair.synthetic, pair.real, pair.difference)
        ]
        for part in audit.agreements
        for pair in part.pairs
    ]
    write_rows_of_text(path, lambda: _csv(audit), lambda: (header, rows))


def _csv(audit: AgePhotographsAudit) -> Iterator[Sequence[str | float]]:
    yield "by", "group", "what", "value", "low", "high"
    for part in audit.agreements:
        for pair in part.pairs:
            for images, one in (
                ("generated images", pair.synthetic),
                ("photographs", pair.real),
                ("difference", pair.difference),
            ):
                what = f"{part.what}, {images}"
                yield part.where, pair.name, what, one.value, one.low, one.high

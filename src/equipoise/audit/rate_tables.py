"""The rates of a classifier's audit as a table for a paper, a spreadsheet or a pull request."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from equipoise.audit.rates import GroupRates
from equipoise.audit.record import ClassifierAudit
from equipoise.core.errors import InputError
from equipoise.core.files import write_text
from equipoise.core.numbers import estimate, is_missing, percent
from equipoise.stats.shares import Share

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})

CSV_HEADER = ("by", "group", "rate", "events", "n", "effective_n", "value", "low", "high")

SECONDS = "seconds"
"""Name of the mean time of a response."""

Columns = list[tuple[str, Share]]


def write_rate_table(audit: ClassifierAudit, path: Path) -> None:
    r"""Write the rates of all groups, with intervals at 95 %.

    Parameters
    ----------
    audit : ClassifierAudit
    path : Path
        By its suffix: .csv has a row for each rate, numbers between 0 and 1; .md and .tex a row
        for each group, percentages. Mean seconds of a response are there where they are known.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    write_rows_of_text(
        path, lambda: _csv(audit), lambda: rates_as_text([group for _, group in _groups(audit)])
    )


def write_rows_of_text(
    path: Path,
    as_csv: Callable[[], Iterable[Sequence[str | float]]],
    shown: Callable[[], tuple[Sequence[str], Sequence[Sequence[str]]]],
) -> None:
    """Write a table in the format of the suffix.

    Parameters
    ----------
    path : Path
        .csv, .md or .tex.
    as_csv : callable
        Returns the rows of a .csv file, the header first.
    shown : callable
        Returns header and rows of text, of the others.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    suffix = path.suffix.lower()
    writers = {".md": to_markdown, ".tex": to_latex}
    if suffix not in (".csv", *writers):
        raise InputError(
            "table", "must end in .csv, .md or .tex", path.name, "Pass --table rates.csv."
        )
    if suffix == ".csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows(as_csv())
        write_text(path, text.getvalue())
    else:
        write_text(path, writers[suffix](*shown()))


def _columns(group: GroupRates) -> Columns:
    """Return the rates of a group by what they are called; those that no image has are left out."""
    found = [("failed", group.failure), ("wrong", group.error), ("abstains", group.abstention)]
    if group.within_one is not None:
        found.insert(2, ("within one level", group.within_one))
    for level in group.levels:
        found += [
            (f"predicts {level.level}", level.answered),
            (f"false {level.level}", level.false_positive),
            (f"missed {level.level}", level.false_negative),
        ]
    return found


def _groups(audit: ClassifierAudit) -> Iterator[tuple[str, GroupRates]]:
    for part in audit.breakdowns:
        for group in part.groups:
            yield part.where, group


def _csv(audit: ClassifierAudit) -> Iterator[Sequence[str | float]]:
    yield CSV_HEADER
    for where, group in _groups(audit):
        for name, share in _columns(group):
            yield csv_row(where, group.name, name, share)
        if not is_missing(group.seconds.value):
            time = group.seconds
            yield where, group.name, SECONDS, "", group.n, "", time.value, time.low, time.high


def csv_row(where: str, group: str, rate: str, share: Share) -> tuple[str | float, ...]:
    """Return the values of a rate under `CSV_HEADER`."""
    found = share.estimate
    numbers = (share.count, share.n, share.effective, found.value, found.low, found.high)
    return (where, group, rate, *numbers)


def rates_as_text(groups: Sequence[GroupRates]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of percentages and seconds, without columns that no group has."""
    table = [_columns(group) for group in groups]
    used = [c for c in range(len(table[0])) if any(row[c][1].n for row in table)]
    header = ["group", "n", *(table[0][c][0] for c in used)]
    rows = [
        [
            group.name,
            f"{group.n:,}",
            *(estimate(row[c][1].estimate, percent, missing="-") for c in used),
        ]
        for group, row in zip(groups, table, strict=True)
    ]
    if not all(is_missing(group.seconds.value) for group in groups):
        header.append(SECONDS)
        for group, line in zip(groups, rows, strict=True):
            line.append(estimate(group.seconds, missing="-"))
    return header, rows


def to_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    cells = ([value.replace("|", r"\|") for value in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def to_latex(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as LaTeX, for the package booktabs."""

    def line(values: Sequence[str]) -> str:
        return " & ".join(value.translate(_ESCAPED) for value in values) + r" \\"

    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        line(header),
        r"\midrule",
        *map(line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"

"""The table of an audit of age, in the shape of NIST's reports on estimators of age.

As in NIST IR 8525 (2024, "Face Analysis Technology Evaluation: Age Estimation and Verification"):
a row a group, with failures, mean absolute error, mean error, and what the rules do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from equipoise.audit.age.record import AgeAudit, AgeRates
from equipoise.audit.rate_tables import write_rows_of_text
from equipoise.core.estimates import Estimate
from equipoise.core.numbers import decimals, estimate, percent


def write_age_table(audit: AgeAudit, path: Path) -> None:
    """Write the errors of all groups, with intervals at 95 %.

    Parameters
    ----------
    audit : AgeAudit
    path : Path
        By its suffix: .csv has a row for each number; .md and .tex a row for each group.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    write_rows_of_text(path, lambda: _csv(audit), lambda: age_table(audit))


def age_table(audit: AgeAudit) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of text: years, and percentages of the rules."""
    ages = [f"{challenge:g}" for challenge in audit.settings.challenges]
    header = ["by", "group", "n", "failed", "mean age", "absolute error", "mean error", "sd"]
    for age in ages:
        header += [f"false pass at {age}", f"false refusal at {age}"]
    rows = [_row(part.where, group) for part in audit.breakdowns for group in part.groups]
    return header, rows


def _row(where: str, group: AgeRates) -> list[str]:
    def years(found: Estimate) -> str:
        return estimate(found, decimals, missing="-")

    row = [where, group.name, f"{group.compared:,}"]
    row += [estimate(group.failure.estimate, percent, missing="-")]
    row += map(years, (group.reference, group.absolute, group.signed, group.deviation))
    for rule in group.rules:
        for share in (rule.false_pass, rule.false_refusal):
            row.append(estimate(share.estimate, percent, missing="-"))
    return row


def _csv(audit: AgeAudit) -> Iterator[Sequence[str | float]]:
    yield "by", "group", "what", "n", "value", "low", "high"
    for part in audit.breakdowns:
        for group in part.groups:
            means = [
                ("mean age", group.reference),
                ("absolute error", group.absolute),
                ("mean error", group.signed),
                ("standard deviation", group.deviation),
            ]
            found = [("failed", group.n, group.failure.estimate)]
            found += [(what, group.compared, mean) for what, mean in means]
            for rule in group.rules:
                age, passed, refused = f"{rule.challenge:g}", rule.false_pass, rule.false_refusal
                found.append((f"false pass at {age}", passed.n, passed.estimate))
                found.append((f"false refusal at {age}", refused.n, refused.estimate))
            for what, n, one in found:
                yield part.where, group.name, what, n, one.value, one.low, one.high

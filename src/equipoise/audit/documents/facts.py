"""What a stored audit knows, whatever was audited: for documents in the order of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from equipoise.audit.age.record import AgeAudit
from equipoise.audit.age.tables import age_table
from equipoise.audit.images_used import ImagesUsed
from equipoise.audit.impact import HEADINGS, impacts, other_attributes, to_rows
from equipoise.audit.rate_tables import rates_as_text
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.verification.record import MatchTable, VerificationAudit
from equipoise.core.checks import Check
from equipoise.core.errors import InputError
from equipoise.core.numbers import decimals, estimate, number, percent
from equipoise.core.records import read_record
from equipoise.runs.record import ModelUsed


@dataclass(frozen=True)
class Table:
    """Text in rows, with a title."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Facts:
    """What an audit says.

    Attributes
    ----------
    audited : str
        What was audited: "gender", "age", "face verification".
    verdict : str
    n : int
        Images.
    by : tuple of str
        Attributes that they are grouped by.
    truth : str
        What counts as true, as a sentence.
    metrics : tuple of str
        What was measured, and how its intervals are made, as sentences.
    rules : str
        When a gap is an issue, as a sentence.
    tables : tuple of Table
        By cell first, then by attribute.
    models : tuple of ModelUsed
    checks : tuple of Check
    caveats : tuple of str
    versions : dict of str to str
    images : ImagesUsed or None
    selection : tuple of Table
        Selection rates and impact ratios, for each answer as the favourable one; of a classifier
        whose images are grouped by another attribute than the audited one.
    mated : tuple of Table
        False non-matches of photographs of people, where some were brought.
    """

    audited: str
    verdict: str
    n: int
    by: tuple[str, ...]
    truth: str
    metrics: tuple[str, ...]
    rules: str
    tables: tuple[Table, ...]
    models: tuple[ModelUsed, ...]
    checks: tuple[Check, ...]
    caveats: tuple[str, ...]
    versions: dict[str, str]
    images: ImagesUsed | None
    selection: tuple[Table, ...] = ()
    mated: tuple[Table, ...] = ()


_EXACT = (
    "Intervals of rates are exact at 95 % (Clopper and Pearson; of weighted images Korn and "
    "Graubard)."
)
_RULE = (
    "A gap is an issue when its test rejects at 5 % (Holm over all tests of the audit), its "
    "estimate exceeds {tolerance}, and its interval lies above 0."
)


def _of_classifier(audit: ClassifierAudit) -> Facts:
    settings = audit.settings
    return Facts(
        audited=settings.attribute,
        verdict=audit.verdict,
        n=audit.n,
        by=settings.by,
        truth=f"Reference: {settings.reference}. {audit.caveats[0]}",
        metrics=(
            "Share of wrong answers, of false and missed levels, of abstentions and of failures.",
            _EXACT,
            "Gaps between groups have simultaneous intervals of all pairs.",
        ),
        rules=_RULE.format(tolerance=percent(settings.tolerance)),
        tables=tuple(
            Table(f"Rates by {part.where}", *rates_as_text(part.groups))
            for part in audit.breakdowns
        ),
        models=audit.models,
        checks=audit.checks,
        caveats=audit.caveats,
        versions=audit.versions,
        images=audit.images,
        selection=tuple(
            Table(f"{level!r} is the favourable answer", HEADINGS, to_rows(impacts(audit, level)))
            for level in audit.levels
            if other_attributes(audit)
        ),
    )


def _of_age(audit: AgeAudit) -> Facts:
    (header, rows), settings = age_table(audit), audit.settings
    tolerance = f"{number(settings.years)} years, or {percent(settings.tolerance)}"
    return Facts(
        audited="age",
        verdict=audit.verdict,
        n=audit.n,
        by=audit.settings.by,
        truth=f"Reference: {audit.settings.reference}. {audit.caveats[0]}",
        metrics=(
            "Mean absolute error and mean error in years; false passes and refusals of rules.",
            "Intervals of means are Student's at 95 %. " + _EXACT,
        ),
        rules=_RULE.format(tolerance=tolerance),
        tables=tuple(
            Table(
                f"Errors of age by {part.where}",
                header[1:],
                [row[1:] for row in rows if row[0] == part.where],
            )
            for part in audit.breakdowns
        ),
        models=audit.models,
        checks=audit.checks,
        caveats=audit.caveats,
        versions=audit.versions,
        images=audit.images,
    )


def _of_verification(audit: VerificationAudit) -> Facts:
    genuine = audit.genuine
    return Facts(
        audited="face verification",
        verdict=audit.verdict,
        n=audit.n,
        by=audit.settings.by,
        truth="Pairs are of two independent codes, so that all are of different people.",
        metrics=(
            "False match rate at one threshold, a similarity of "
            f"{decimals(audit.threshold, 4)}: {estimate(audit.overall.estimate, _rate)} over all.",
            "Intervals at 95 % count the independent pairs that have the same variance.",
            _genuine_words(audit),
        ),
        rules="A gap is an issue when its test rejects at 5 % (Holm over all tests of the audit), "
        f"and the ratio of the rates exceeds {number(audit.settings.ratio)}.",
        tables=(*map(_matches, audit.tables), _spread(audit.tables)),
        models=audit.models,
        checks=audit.checks,
        caveats=audit.caveats,
        versions=audit.versions,
        images=audit.images,
        mated=()
        if genuine is None or genuine.table is None
        else (_matches(genuine.table), _spread([genuine.table])),
    )


def _rate(value: float | None) -> str:
    return percent(value, 3)


def _matches(part: MatchTable) -> Table:
    """Return the rates of false matches, or of false non-matches, by group."""
    rows = [
        (
            one.name,
            f"{one.count:,}",
            f"{one.n:,}",
            f"{one.effective:,.0f}",
            estimate(one.estimate, _rate),
        )
        for one in part.rates
    ]
    header = ("group", part.what, "pairs", "independent pairs", f"rate of {part.what}")
    return Table(f"{part.what.capitalize()} by {part.where}", header, rows)


def _spread(parts: Sequence[MatchTable]) -> Table:
    """Return how far the rates of the groups are apart, in one number each."""
    rows = [
        (
            part.where,
            "-" if part.gap is None else estimate(part.gap.gap.ratio),
            estimate(part.garbe),
            estimate(part.discrepancy),
        )
        for part in parts
    ]
    header = ("by", "highest over lowest rate", "GARBE", "fairness discrepancy rate")
    return Table("How far groups are apart", header, rows)


def _genuine_words(audit: VerificationAudit) -> str:
    """Return what is known of pairs of one person."""
    known = audit.genuine
    if known is None:
        return "Genuine pairs, and so false non-matches, were not measured."
    return (
        "False non-match rate at the same threshold, of pairs of one person among "
        f"{known.images.n:,} photographs of {known.people:,} people that were brought: "
        f"{estimate(known.overall.estimate, percent)}."
    )


Record = TypeVar("Record")


def _reader(
    name: str, kind: type[Record], facts: Callable[[Record], Facts]
) -> Callable[[Path], Facts]:
    def read(folder: Path) -> Facts:
        remedy = "Make the audit again."
        return facts(read_record(folder / f"{name}.json", kind, remedy, what="audit"))

    return read


READERS: dict[str, Callable[[Path], Facts]] = {
    "audit": _reader("audit", ClassifierAudit, _of_classifier),
    "age": _reader("age", AgeAudit, _of_age),
    "verification": _reader("verification", VerificationAudit, _of_verification),
}
"""What reads the facts of an audit's folder, by the name of its record."""


def read_facts(folder: Path) -> Facts:
    """Return what the stored audit of a folder says.

    Raises
    ------
    InputError
        When there is no audit that documents can be made from, or several.
    FileFormatError
        When the record is damaged.
    """
    found = [name for name in READERS if (folder / f"{name}.json").is_file()]
    if len(found) == 1:
        return READERS[found[0]](folder)
    if found:
        raise InputError(
            f"folder {folder}",
            "must hold the record of one audit",
            ", ".join(f"{name}.json" for name in found),
            "Move one of them to a folder of its own.",
        )
    raise InputError(
        f"folder {folder}",
        f"must hold one of {', '.join(f'{name}.json' for name in READERS)}",
        "none",
        "Give the folder of an audit of a classifier, of age, or of face verification.",
    )

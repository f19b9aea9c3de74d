"""The audit of age: errors in years by cell, rules at the counter, checks, record and report.

AUDIT/answers/     cached predictions
AUDIT/age.json     the record; AUDIT/age.html the report
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from equipoise.audit.age.ages import Ages, parse_challenges
from equipoise.audit.age.page import PAGE
from equipoise.audit.age.rates import BY_AGE, AgesVsReference, break_down_ages
from equipoise.audit.age.record import AgeAudit, AgeBreakdown, AgeSettings
from equipoise.audit.checks import balance_check, failures_check, gap_check, image_caveats
from equipoise.audit.defaults import check_tolerance
from equipoise.audit.images import AuditImages
from equipoise.audit.lighting import examine_lighting
from equipoise.audit.named_gaps import NamedGap
from equipoise.core.checks import Check, ignoring, verdict, worst_first
from equipoise.core.errors import InputError
from equipoise.core.numbers import percent
from equipoise.core.records import write_record
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.measure.lighting import lighting_checks
from equipoise.runs.record import model_used

_IN_YEARS = ("age_error", "age_bias")
"""Gaps of means, in years; all others are of rates."""

_BY_TABLE = (
    "An error is a difference from the ages in {name}; whether these are true is the word of who "
    "wrote them."
)
_BY_ESTIMATOR = (
    "An error is a difference from {name}, an estimator that errs too, perhaps more in one cell. "
    "A generated face has no age of its own: nobody was born."
)


def audit_age(
    estimates: Ages,
    reference: Ages,
    images: AuditImages,
    folder: Path,
    settings: AgeSettings,
) -> AgeAudit:
    """Audit estimates of age of balanced images, and write record and report.

    Parameters
    ----------
    estimates, reference : Ages
        Of the images, in their order; the reference counts as true.
    images : AuditImages
    folder : Path
        Of record and report.
    settings : AgeSettings

    Raises
    ------
    InputError
        When a setting breaks its rule, or no image has both ages.
    FileFormatError
        When an image is damaged.
    StorageError
        When a file cannot be written.
    """
    _check_settings(settings)
    PAGE.refuse_other(folder, model_used("model", estimates))
    by, levels = images.restricted(settings.by)
    ages = AgesVsReference(estimates.years, reference.years, images.weights)
    compared = int(ages.known.sum())
    if not compared:
        raise InputError(
            "reference",
            "must have the age of an image that the model has one for",
            reference.name,
            "Name another reference.",
        )
    parts = break_down_ages(ages, by, levels, settings)
    lighting = examine_lighting(images, by.names, folder)
    cells = {group.name: group.n for group in parts[0].groups}
    checks = worst_first(
        ignoring(
            (
                *_gap_checks(parts, settings),
                failures_check(
                    "the model",
                    estimates.missing,
                    len(images),
                    no_face=estimates.no_face,
                    again=0 if estimates.recorded else estimates.cost.failed - estimates.no_face,
                ),
                balance_check(cells, by.size),
                *lighting_checks(lighting),
            ),
            settings.ignore,
        )
    )
    named = _BY_TABLE if reference.recorded else _BY_ESTIMATOR
    caveats = (
        named.format(name=reference.name),
        *image_caveats(by.names, images.side),
        *estimates.caveats,
        *reference.caveats,
    )
    audit = AgeAudit(
        verdict=verdict(checks),
        settings=settings,
        n=len(images),
        compared=compared,
        models=model_used("model", estimates) + model_used("reference", reference),
        checks=checks,
        breakdowns=parts,
        lighting=lighting,
        caveats=tuple(dict.fromkeys(caveats)),
        costs=(estimates.cost, reference.cost),
        versions=versions(),
        images=images.used,
    )
    write_record(folder / "age.json", audit)
    PAGE.write(folder)
    return audit


def in_years(value: float | None) -> str:
    """Return a number of years as text.

    Examples
    --------
    >>> in_years(2.04)
    '2.0 years'
    """
    return f"{value:.1f} years"


def _gap_checks(parts: Sequence[AgeBreakdown], settings: AgeSettings) -> list[Check]:
    found = []
    for part in parts:
        for named in part.gaps:
            if _of_means(named):
                check = gap_check(named, settings.years, len(part.groups), in_years)
            else:
                check = gap_check(named, settings.tolerance, len(part.groups), percent)
            found.append(check)
        if part.where != BY_AGE and not any(_of_means(named) for named in part.gaps):
            found.append(
                Check(
                    check_id=f"age_error_gap:{part.where}",
                    title=f"Is the mean absolute error of age equal over {part.where}?",
                    outcome="skipped",
                    words="There are fewer than two groups of two compared images.",
                )
            )
    return found


def _of_means(named: NamedGap) -> bool:
    return named.check_id.startswith(_IN_YEARS)


def _check_settings(settings: AgeSettings) -> None:
    check_seed(settings.seed)
    parse_challenges(settings.limit, settings.challenges)
    check_tolerance(settings.tolerance)
    if not 0 <= settings.years < float("inf"):
        raise InputError("years", "must be a number of at least 0", settings.years, "Pass 2.")

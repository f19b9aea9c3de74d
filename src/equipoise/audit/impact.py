"""Selection rates and impact ratios of a classifier's audit, as New York City asks for them.

Rules of the City of New York, title 6, section 5-301 (Local Law 144 of 2021): for each category,
and for each combination of categories, the share that is selected, and its ratio to that of the
most selected one. Categories of less than 2 % of the data may be left out of the ratios, but not of
the table; how many belong to no known category is stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from equipoise.audit.rates import Breakdown, GroupRates
from equipoise.audit.record import ClassifierAudit
from equipoise.core.errors import InputError
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.numbers import estimate, percent
from equipoise.stats.group_gaps import ratio_interval
from equipoise.stats.intervals import effective_interval
from equipoise.stats.shares import Share

SMALL = 0.02
"""Share of the data below which a category is marked; section 5-301 (d)."""

HEADINGS = ("by", "category", "n", "selected", "selection rate", "impact ratio", "note")


@dataclass(frozen=True, kw_only=True)
class Impact:
    """How often a category is selected.

    Attributes
    ----------
    where, name : str
        "cells" or an attribute, and the category.
    n, unanswered : int
        Images, and those on which the model failed or abstained: they are not selected.
    selected : Share
        Images that are selected, of all.
    ratio : Estimate
        To the most selected category, with Walter's interval for this pair alone; 1 for that one.
    small : bool
        Whether it is less than 2 % of the data.
    """

    where: str
    name: str
    n: int
    unanswered: int
    selected: Share
    ratio: Estimate
    small: bool


def impacts(audit: ClassifierAudit, level: str) -> tuple[Impact, ...]:
    """Return how often each category is selected.

    Parameters
    ----------
    audit : ClassifierAudit
    level : str
        The prediction that selects.

    Raises
    ------
    InputError
        When the model predicts no such level, or images are grouped by the audited attribute alone.

    Notes
    -----
    The audited attribute is no category: who smiles should be said to smile more often. Where
    images are grouped by it too, combinations of categories are left out, since all have it in
    them. Weighted images count by their weight, and intervals are those of effective images.
    """
    if level not in audit.levels:
        raise InputError(
            "level", f"must be one of {', '.join(audit.levels)}", level, "Name the good outcome."
        )
    others = other_attributes(audit)
    if not others:
        raise InputError(
            "by",
            "must have an attribute beside the audited one for impact ratios",
            ", ".join(audit.settings.by),
            "Audit images that are balanced for another one too.",
        )
    whole = len(others) == len(audit.settings.by)
    used = [part for part in audit.breakdowns if part.where in others or whole]
    return tuple(row for part in used for row in _of(part, level, audit))


def other_attributes(audit: ClassifierAudit) -> tuple[str, ...]:
    """Return the attributes that images are grouped by, but the audited one."""
    return tuple(name for name in audit.settings.by if name != audit.settings.attribute)


def _of(part: Breakdown, level: str, audit: ClassifierAudit) -> Iterator[Impact]:
    every = [(group, _selected(group, level, audit.levels)) for group in part.groups]
    large = [pair for pair in every if pair[0].n >= SMALL * audit.n] or every
    best = max((share for _, share in large), key=lambda share: share.share)
    for group, share in every:
        yield Impact(
            where=part.where,
            name=group.name,
            n=group.n,
            unanswered=group.failure.count + group.abstention.count,
            selected=share,
            ratio=Estimate(1.0) if share is best else _ratio(share, best),
            small=group.n < SMALL * audit.n,
        )


def _selected(group: GroupRates, level: str, levels: Sequence[str]) -> Share:
    """Return the share of all images of a group that are selected: none without an answer."""
    rates = {one.level: one.answered for one in group.levels}
    answered = rates.get(level)
    if answered is None:  # Of two levels only the last has rates of its own.
        other = rates[levels[1]]
        count, share = other.n - other.count, 1 - other.share
    else:
        count, share = answered.count, answered.share
    every = group.failure
    part = (1 - every.share) * (1 - group.abstention.share if group.abstention.n else 0.0)
    share = share * part if count else 0.0
    if not every.n:
        return Share.of(group.name, 0, 0)
    # All images are trials, so the interval has their effective number.
    estimate = Estimate(share, *effective_interval(share, every.effective))
    return Share(
        name=group.name, count=count, n=group.n, estimate=estimate, effective=every.effective
    )


def _ratio(share: Share, best: Share) -> Estimate:
    if not share.n or not best.share:
        return Estimate.missing("none is selected")
    count, n, other, other_n = (
        np.array([number], np.int64) for one in (share, best) for number in one.tested
    )
    critical = float(norm.ppf((1 + CONFIDENCE) / 2))
    low, high = ratio_interval(count, n, other, other_n, critical)
    value = share.share / best.share
    # The adjusted counts of the interval (Walter 1975) do not know 0.
    return Estimate(value, min(float(low[0]), value), max(float(high[0]), value))


def to_rows(found: Sequence[Impact]) -> list[tuple[str, ...]]:
    """Return rows of text under `HEADINGS`."""
    rows: list[tuple[str, ...]] = []
    for one in found:
        notes = ["under 2% of the images"] if one.small else []
        notes += [f"{one.unanswered:,} without an answer"] if one.unanswered else []
        rows.append(
            (
                one.where,
                one.name,
                f"{one.n:,}",
                f"{one.selected.count:,}",
                estimate(one.selected.estimate, percent),
                estimate(one.ratio),
                ", ".join(notes),
            )
        )
    return rows

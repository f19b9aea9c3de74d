"""Errors of age by group, with intervals, and gaps between the groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.age.record import AgeBreakdown, AgeRates, AgeSettings, RuleRates
from equipoise.audit.named_gaps import NamedGap, gap_of_shares, mean_gap
from equipoise.audit.rates import CELLS
from equipoise.core.attributes import AttributeGrid
from equipoise.stats.group_gaps import holm
from equipoise.stats.means import deviation_estimate, mean_estimate
from equipoise.stats.shares import Share

BY_AGE = "reference age"
"""Name of the breakdown by bands of reference age."""

_BANDS = (13.0, 18.0, 25.0, 35.0, 50.0)
"""Years at which the bands of the breakdown by reference age begin; chosen by hand."""

Years = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AgesVsReference:
    """Estimated ages of n images beside reference ages, in years, NaN where there is none.

    Attributes
    ----------
    estimates, reference : numpy.ndarray, shape (n,), float64
    weights : numpy.ndarray, shape (n,), float64
        Above 0.
    """

    estimates: Years
    reference: Years
    weights: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Mask of the images with both ages, shape (n,)."""
        return np.isfinite(self.estimates) & np.isfinite(self.reference)

    @property
    def errors(self) -> Years:
        """Estimate less reference, shape (n,)."""
        return self.estimates - self.reference

    def take(self, rows: NDArray[np.bool_]) -> AgesVsReference:
        """Return the images of a mask, shape (n,)."""
        return AgesVsReference(self.estimates[rows], self.reference[rows], self.weights[rows])


def age_rates(part: AgesVsReference, name: str, settings: AgeSettings) -> AgeRates:
    """Return the errors of one group's images."""
    known, errors = part.known, part.errors
    own, weights = errors[known], part.weights[known]
    every = np.ones(len(errors), bool)
    return AgeRates(
        name=name,
        n=len(errors),
        compared=int(known.sum()),
        failure=Share.among(name, np.isnan(part.estimates), every, part.weights),
        reference=mean_estimate(part.reference[known], weights),
        absolute=mean_estimate(np.abs(own), weights),
        signed=mean_estimate(own, weights),
        deviation=deviation_estimate(own, weights),
        rules=tuple(_rule(part, name, settings.limit, age) for age in settings.challenges),
    )


def _rule(part: AgesVsReference, name: str, limit: float, challenge: float) -> RuleRates:
    known, passes, minor = part.known, part.estimates >= challenge, part.reference < limit
    return RuleRates(
        challenge=challenge,
        false_pass=Share.among(name, passes, known & minor, part.weights),
        false_refusal=Share.among(name, ~passes, known & ~minor, part.weights),
    )


def break_down_ages(
    ages: AgesVsReference, by: AttributeGrid, levels: NDArray[np.int8], settings: AgeSettings
) -> tuple[AgeBreakdown, ...]:
    """Return errors and gaps by cell, by each of several attributes, and by reference age.

    p-values are adjusted by Holm's method over all gaps. By reference age nothing is tested: every
    estimator that leans to the mean takes the young for older and the old for younger.

    Parameters
    ----------
    ages : AgesVsReference
        Of n images.
    by : AttributeGrid
        The A attributes to group by.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels of these attributes.
    settings : AgeSettings
    """
    parts: list[tuple[str, Sequence[str], NDArray[np.int64]]] = [
        (CELLS, by.cells, by.cell_of(levels))
    ]
    if len(by.names) > 1:
        parts += [
            (a.name, [f"{a.name}={level}" for level in a.levels], levels[:, i].astype(np.int64))
            for i, a in enumerate(by.attributes)
        ]
    found = []
    for where, names, group in parts:
        rates = _group_rates(ages, names, group, settings)
        gaps = tuple(_gaps(where, rates, ages, group, settings.seed))
        found.append(AgeBreakdown(where=where, groups=rates, gaps=gaps))
    adjusted = iter(holm([gap.gap.p_value for part in found for gap in part.gaps]).tolist())
    found = [
        replace(part, gaps=tuple(replace(gap, p_value=next(adjusted)) for gap in part.gaps))
        for part in found
    ]
    cuts = sorted({*_BANDS, settings.limit})
    names = [f"{low:g} to {high:g}" for low, high in zip([0.0, *cuts], cuts, strict=False)]
    rows = ages.known
    banded = np.searchsorted(cuts, ages.reference[rows], side="right").astype(np.int64)
    by_age = _group_rates(ages.take(rows), [*names, f"{cuts[-1]:g} and over"], banded, settings)
    return (*found, AgeBreakdown(where=BY_AGE, groups=by_age, gaps=()))


def _group_rates(
    ages: AgesVsReference, names: Sequence[str], group: NDArray[np.int64], settings: AgeSettings
) -> tuple[AgeRates, ...]:
    groups = np.unique(group).tolist()
    return tuple(age_rates(ages.take(group == k), names[k], settings) for k in groups)


def _gaps(
    where: str,
    rates: Sequence[AgeRates],
    ages: AgesVsReference,
    group: NDArray[np.int64],
    seed: int,
) -> Iterator[NamedGap]:
    """Yield the gaps of one breakdown: of mean errors, of failures, and of each rule's rates."""
    names, errors = [g.name for g in rates], ages.errors
    for kind, what, values in (
        ("age_error", "mean absolute error of age", np.abs(errors)),
        ("age_bias", "mean error of age", errors),
    ):
        named = mean_gap(f"{kind}_gap:{where}", what, names, values, group, ages.weights, True)
        if named is not None:
            yield named
    shares = []
    if any(g.failure.count for g in rates):
        shares.append((f"failure_gap:{where}", "rate of failures", [g.failure for g in rates]))
    for rules in zip(*(g.rules for g in rates), strict=True):
        age = f"{rules[0].challenge:g}"
        shares += [
            (
                f"false_pass_gap:{where}:{age}",
                f"rate of false passes at {age}",
                [r.false_pass for r in rules],
            ),
            (
                f"false_refusal_gap:{where}:{age}",
                f"rate of false refusals at {age}",
                [r.false_refusal for r in rules],
            ),
        ]
    for check_id, what, of_groups in shares:
        named = gap_of_shares(check_id, what, of_groups, seed=seed)
        if named is not None:
            yield named

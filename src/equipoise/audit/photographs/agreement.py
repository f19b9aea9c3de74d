"""Do error rates on generated images agree with those on photographs? By cell, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from scipy.stats import fisher_exact, norm

from equipoise.audit.decision_rule import is_shown, outcome_of, size_of
from equipoise.audit.photographs.age_record import PairOfMeans
from equipoise.audit.photographs.match_record import PairOfMatches
from equipoise.audit.photographs.record import AgreementOfRates, PairOfRates
from equipoise.audit.rates import Breakdown
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.numbers import estimate, p_text, percent
from equipoise.stats.group_gaps import holm
from equipoise.stats.intervals import newcombe_interval, share_difference
from equipoise.stats.rank_agreement import rank_agreement
from equipoise.stats.shares import Share


def agreements(
    synthetic: Sequence[Breakdown], real: Sequence[Breakdown], *, seed: int = 0
) -> tuple[AgreementOfRates, ...]:
    """Return the error rates of the same groups side by side, with p-values by Holm over all.

    Parameters
    ----------
    synthetic, real : sequence of Breakdown
        Of the same model, by the same attributes.
    seed : int
        Of the draws of the rank correlation's interval.
    """
    parts = (
        (
            part.where,
            [group.error for group in part.groups],
            [group.error for group in other.groups],
        )
        for part, other in zip(synthetic, real, strict=True)
    )
    return agreements_of_shares(parts, seed=seed)


def agreements_of_shares(
    parts: Iterable[tuple[str, Sequence[Share], Sequence[Share]]], *, seed: int = 0
) -> tuple[AgreementOfRates, ...]:
    """Return rates of the same groups side by side, with p-values by Holm over all.

    Parameters
    ----------
    parts : iterable of (str, sequence of Share, sequence of Share)
        What the groups are by, and the rates on generated images and on photographs; groups that
        the second lacks have no photograph.
    seed : int
        Of the draws of the rank correlation's interval.
    """
    found = []
    for where, synthetic, real in parts:
        rates = {rate.name: rate for rate in real}
        pairs = [_pair(rate, rates.get(rate.name, Share.of(rate.name, 0, 0))) for rate in synthetic]
        found.append((where, pairs))
    adjusted = by_holm([pairs for _, pairs in found])
    return tuple(
        _agreement(where, pairs, seed) for (where, _), pairs in zip(found, adjusted, strict=True)
    )


Pair = TypeVar("Pair", PairOfRates, PairOfMatches, PairOfMeans)


def by_holm(groups: Sequence[Sequence[Pair]]) -> list[list[Pair]]:
    """Return pairs with their p-values adjusted by Holm's method over all of them."""
    adjusted = iter(holm([pair.p_value for pairs in groups for pair in pairs]).tolist())
    return [[replace(pair, p_value=next(adjusted)) for pair in pairs] for pairs in groups]


def equal_rates(one: Share, other: Share) -> float:
    """Return the p-value of two rates being equal, by Fisher's exact test; NaN without trials."""
    (events, trials), (others, of_others) = one.tested, other.tested
    if not (trials and of_others):
        return float("nan")
    return float(fisher_exact([[events, trials - events], [others, of_others - others]]).pvalue)


def _pair(synthetic: Share, real: Share) -> PairOfRates:
    return PairOfRates(
        name=synthetic.name,
        synthetic=synthetic,
        real=real,
        difference=share_difference(*effective_counts(real), *effective_counts(synthetic)),
        p_value=equal_rates(real, synthetic),
    )


def effective_counts(share: Share) -> tuple[float, float]:
    """Return effective events and trials of a rate."""
    return (share.share * share.effective if share.n else 0.0), share.effective


def _agreement(where: str, pairs: list[PairOfRates], seed: int) -> AgreementOfRates:
    known = [pair for pair in pairs if pair.synthetic.n and pair.real.n]
    largest = Estimate.missing("no group has images of both kinds")
    correlation = Estimate.missing("fewer than three groups")
    if known:
        real, synthetic = (
            np.array([effective_counts(getattr(pair, kind)) for pair in known]).T
            for kind in ("real", "synthetic")
        )
        # Sidak: all intervals hold together, as groups of one breakdown are independent.
        error = -np.expm1(np.log(CONFIDENCE) / len(known))
        critical = float(norm.isf(error / 2))
        low, high = newcombe_interval(real[0], real[1], synthetic[0], synthetic[1], critical)
        sizes = np.abs([pair.difference.value for pair in known])
        nearest = np.maximum(np.maximum(low, -high), 0)
        largest = Estimate(
            float(sizes.max()), float(nearest.max()), float(np.maximum(high, -low).max())
        )
        correlation = rank_agreement(synthetic[0], synthetic[1], real[0], real[1], seed=seed)
    return AgreementOfRates(
        where=where, pairs=tuple(pairs), largest=largest, correlation=correlation
    )


def agreement_checks(
    found: Sequence[AgreementOfRates], tolerance: float, what: str = "error rates"
) -> list[Check]:
    """Return for each breakdown whether rates agree, and whether photographs rank groups alike.

    Parameters
    ----------
    found : sequence of AgreementOfRates
    tolerance : float
    what : str
        What the rates are.
    """
    checks = []
    for part in found:
        checks += [
            _rates_check(part, tolerance, what),
            ranks_check(part.where, part.correlation, what),
        ]
    return checks


Differing = TypeVar("Differing", PairOfRates, PairOfMeans)


def farthest(pairs: Sequence[Differing]) -> tuple[Differing, float]:
    """Return the pair that differs most among those whose tests reject, and its p-value.

    Among all pairs where no test rejects.
    """
    shown = [pair for pair in pairs if is_shown(size_of(pair.difference), pair.p_value)]
    found = max(shown or pairs, key=lambda pair: abs(pair.difference.value))
    return found, found.p_value if shown else min(pair.p_value for pair in pairs)


def compared_check(
    check_id: str,
    title: str,
    pairs: Sequence[Differing],
    largest: Estimate,
    tolerance: float,
    *,
    write: Callable[[float | None], str],
    value: Callable[[Any], float],
    none: str,
    few: str,
) -> Check:
    """Return whether numbers on generated images are those on photographs, within a tolerance.

    Parameters
    ----------
    check_id, title : str
    pairs : sequence of PairOfRates or of PairOfMeans
    largest : Estimate
        Largest difference, with an interval that allows for its selection.
    tolerance : float
    write : callable
        Text of a number.
    value : callable
        The number of one side of a pair.
    none, few : str
        What is said where no pair is known, and of pairs that are not.
    """
    known = [pair for pair in pairs if not np.isnan(pair.p_value)]
    if not known:
        return Check(check_id=check_id, title=title, outcome="skipped", words=none)
    worst, p_value = farthest(known)
    outcome, shown, kind = outcome_of(largest, p_value, tolerance), largest, "largest difference"
    if outcome == "issue" and abs(worst.difference.value) <= tolerance:
        outcome = "tip"
    if outcome == "passed":
        words = f"Yes, within {write(tolerance)}"
    elif outcome == "issue":
        shown, kind = worst.difference, "difference"
        words = (
            f"No: in {worst.name} it is {write(value(worst.real))} on photographs and "
            f"{write(value(worst.synthetic))} on generated images"
        )
    else:
        words = f"Differences over {write(tolerance)} are not excluded; use more photographs"
    left = len(pairs) - len(known)
    more = f" {left} of {len(pairs)} groups have {few}." if left else ""
    return Check(
        check_id=check_id,
        title=title,
        outcome=outcome,
        words=f"{words}. The {kind} is {estimate(shown, write)}, p = {p_text(p_value)} "
        f"corrected.{more}",
        evidence=Evidence(estimate=size_of(shown), p_value=p_value),
    )


def _rates_check(part: AgreementOfRates, tolerance: float, what: str) -> Check:
    return compared_check(
        f"agreement:{part.where}",
        f"Are {what} by {part.where} those on photographs?",
        part.pairs,
        part.largest,
        tolerance,
        write=percent,
        value=lambda rate: rate.share,
        none="No group has generated images and photographs.",
        few="no photograph",
    )


def ranks_check(where: str, found: Estimate, what: str) -> Check:
    """Return whether photographs rank groups as generated images do.

    Parameters
    ----------
    where : str
        "cells", or what the groups are by.
    found : Estimate
        The rank correlation.
    what : str
        Of what.
    """
    title = f"Do photographs rank {where} as generated images do?"
    check_id = f"ranks:{where.replace(' ', '_')}"
    if np.isnan(found.value):
        words = f"Not known: {found.note}."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    if found.low > 0:
        outcome, words = "passed", "They do, more than not"
    elif found.high < 0:
        outcome, words = "tip", "Rather the other way round"
    else:
        outcome, words = "tip", "Not known from so few images"
    return Check(
        check_id=check_id,
        title=title,
        outcome=outcome,  # type: ignore[arg-type]
        words=f"{words}: the rank correlation of the {what} is {estimate(found)}.",
        evidence=Evidence(estimate=found),
    )

"""What one attribute of a face does to a model's answer, on faces matched but for it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.decision_rule import is_shown, outcome_of, size_of
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate, around
from equipoise.stats.group_gaps import ERROR
from equipoise.stats.intervals import exact_interval
from equipoise.stats.paired import discordance, paired_difference
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How answers of one level change from one level of the varied attribute to another.

    Attributes
    ----------
    code : str
        Of its check: "counterfactual:skin_tone:dark->light:male".
    varied, before, after : str
        The attribute, and the two levels.
    level : str
        The answer, against all others.
    n : int
        Faces of which both images were answered.
    to, away : Share
        Faces whose answer became `level`, among those answered otherwise before; and those whose
        answer ceased to be it, among those answered so.
    odds_ratio : Estimate
        Became over ceased: the conditional odds ratio of matched pairs (Breslow and Day 1980,
        section 5.2), with the interval of the exact binomial of its two counts; 1 is no effect.
    difference : Estimate
        Share of answers of `level` after less before, in [-1, 1]; Newcombe's interval of paired
        shares, together with those of all other effects of the audit (Bonferroni).
    confidence : Estimate
        Mean change of confidence; Student's interval.
    p_value : float
        McNemar's exact test that as many become as cease; first alone, then by Holm over the audit.
    """

    check_id: str
    varied: str
    before: str
    after: str
    level: str
    n: int
    to: Share
    away: Share
    odds_ratio: Estimate
    difference: Estimate
    confidence: Estimate
    p_value: float


def effects(
    varied: str,
    names: tuple[str, ...],
    answers: NDArray[np.int8],
    confidence: NDArray[np.float32],
    levels: tuple[str, ...],
) -> tuple[Effect, ...]:
    """Return the effect of each two levels of the varied attribute on each answer.

    Of two audited levels the last is told; the other is its mirror.

    Parameters
    ----------
    varied : str
        The attribute that varies.
    names : tuple of str
        Its L levels.
    answers : numpy.ndarray, shape (m, L), int8
        On each face at each level; negative where there is none.
    confidence : numpy.ndarray, shape (m, L), float32
    levels : tuple of str
        The audited levels.
    """
    told = range(1, 2) if len(levels) == 2 else range(len(levels))
    asked = [(pair, level) for pair in combinations(range(len(names)), 2) for level in told]
    found = []
    for (before, after), level in asked:
        both = (answers[:, [before, after]] >= 0).all(axis=1)
        was, is_now = (answers[both, k] == level for k in (before, after))
        became, ceased = int((~was & is_now).sum()), int((was & ~is_now).sum())
        stayed, never = int((was & is_now).sum()), int((~was & ~is_now).sum())
        change = (confidence[both, after] - confidence[both, before]).astype(np.float64)
        found.append(
            Effect(
                check_id=f"counterfactual:{varied}:{names[before]}->{names[after]}:{levels[level]}",
                varied=varied,
                before=names[before],
                after=names[after],
                level=levels[level],
                n=int(both.sum()),
                to=Share.of(levels[level], became, became + never),
                away=Share.of(levels[level], ceased, ceased + stayed),
                odds_ratio=_odds_ratio(became, ceased),
                difference=paired_difference(
                    stayed, became, ceased, never, error=ERROR / len(asked)
                ),
                confidence=_mean(change),
                p_value=discordance(became, ceased) if both.any() else np.nan,
            )
        )
    return tuple(found)


def _odds_ratio(became: int, ceased: int) -> Estimate:
    if became + ceased == 0:
        return Estimate.missing("no answer changed")
    low, high = (p / (1 - p) if p < 1 else np.inf for p in exact_interval(became, became + ceased))
    return Estimate(became / ceased if ceased else np.inf, low, high)


def _mean(change: NDArray[np.float64]) -> Estimate:
    if len(change) < 2:
        return Estimate.missing("fewer than two faces")
    return around(
        float(change.mean()), float(change.std(ddof=1) / np.sqrt(len(change))), len(change) - 1
    )


def effect_check(effect: Effect, tolerance: float) -> Check:
    """Judge the size of an effect, by `equipoise.audit.decision_rule`."""
    title = (
        f"Does {effect.varied} {effect.before} to {effect.after} change the answer "
        f"{effect.level!r} on the same face?"
    )
    if not effect.n:
        words = "There is no face with an answer at both levels."
        return Check(check_id=effect.check_id, title=title, outcome="not applicable", words=words)
    found, size = effect.difference, size_of(effect.difference)
    outcome = outcome_of(size, effect.p_value, tolerance)
    if outcome == "passed":
        said = f"Any effect is within {tolerance:.1%}"
    elif outcome == "issue":
        said = "It does"
    elif is_shown(size, effect.p_value):
        said = f"It does, but the estimate is within {tolerance:.1%}"
    else:
        said = f"No effect is shown, nor excluded over {tolerance:.1%}; take more faces"
    words = (
        f"{said}: {found.value:+.1%} ({found.low:+.1%} to {found.high:+.1%}) of {effect.n:,} "
        f"faces, {effect.to.count} became {effect.level!r} and {effect.away.count} ceased to be, "
        f"p = {effect.p_value:.2g} corrected."
    )
    return Check(
        check_id=effect.check_id,
        title=title,
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=found, p_value=effect.p_value),
    )

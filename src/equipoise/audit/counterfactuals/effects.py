"""Effects of one attribute on a model's predictions, on faces that differ in it alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.decision_rule import is_shown, outcome_of, size_of
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate, around
from equipoise.core.numbers import p_text, percent
from equipoise.stats.group_gaps import ERROR
from equipoise.stats.intervals import exact_interval
from equipoise.stats.paired import discordance, paired_difference
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How predictions of one level change between two levels of the varied attribute.

    Attributes
    ----------
    check_id : str
        Of its check: "counterfactual:skin_tone:dark->light:male".
    varied, before, after : str
        The varied attribute and its two levels.
    level : str
        The predicted level, compared with all others.
    n : int
        Faces with a prediction on both images.
    to, away : Share
        Faces whose prediction became `level`, among those with another prediction before; and faces
        whose prediction ceased to be `level`, among those that had it before.
    odds_ratio : Estimate
        Became over ceased: the conditional odds ratio of matched pairs (Breslow and Day 1980,
        section 5.2), with the exact binomial interval of its two counts; 1 is no effect.
    difference : Estimate
        Share of `level` among predictions after less before, in [-1, 1]. Newcombe's interval of
        paired shares, simultaneous over all effects of the audit (Bonferroni).
    confidence : Estimate
        Mean change of the confidence, with Student's interval.
    p_value : float
        Of McNemar's exact test that as many become as cease; adjusted by Holm's method over the
        audit in `equipoise.audit.checks.adjust`, unadjusted before.
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
    predicted: NDArray[np.int8],
    confidence: NDArray[np.float32],
    levels: tuple[str, ...],
) -> tuple[Effect, ...]:
    """Return the effect of every two levels of the varied attribute on each predicted level.

    Of two audited levels only the last has effects of its own; those of the other mirror them.

    Parameters
    ----------
    varied : str
        The attribute that varies.
    names : tuple of str
        Its L levels.
    predicted : numpy.ndarray, shape (m, L), int8
        Audited level predicted on each of m faces at each level; negative where there is none.
    confidence : numpy.ndarray, shape (m, L), float32
    levels : tuple of str
        The audited levels.
    """
    compared = range(1, 2) if len(levels) == 2 else range(len(levels))
    pairs = [(pair, level) for pair in combinations(range(len(names)), 2) for level in compared]
    found = []
    for (before, after), level in pairs:
        both = (predicted[:, [before, after]] >= 0).all(axis=1)
        was, is_now = (predicted[both, k] == level for k in (before, after))
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
                    stayed, became, ceased, never, error=ERROR / len(pairs)
                ),
                confidence=_mean(change),
                p_value=discordance(became, ceased) if both.any() else np.nan,
            )
        )
    return tuple(found)


def _odds_ratio(became: int, ceased: int) -> Estimate:
    if became + ceased == 0:
        return Estimate.missing("no prediction changed")
    low, high = (p / (1 - p) if p < 1 else np.inf for p in exact_interval(became, became + ceased))
    return Estimate(became / ceased if ceased else np.inf, low, high)


def _mean(change: NDArray[np.float64]) -> Estimate:
    if len(change) < 2:
        return Estimate.missing("fewer than two faces")
    return around(
        float(change.mean()), float(change.std(ddof=1) / np.sqrt(len(change))), len(change) - 1
    )


def effect_check(effect: Effect, tolerance: float) -> Check:
    """Return the check of an effect's size, by `equipoise.audit.decision_rule`.

    Parameters
    ----------
    effect : Effect
    tolerance : float
        Largest size that is tolerated, in [0, 1).
    """
    title = (
        f"Does a change of {effect.varied} from {effect.before} to {effect.after} change the "
        f"prediction {effect.level!r} on the same face?"
    )
    if not effect.n:
        words = "No face has a prediction at both levels."
        return Check(check_id=effect.check_id, title=title, outcome="not applicable", words=words)
    found, size = effect.difference, size_of(effect.difference)
    outcome = outcome_of(size, effect.p_value, tolerance)
    if outcome == "passed":
        summary = f"Any effect is within {percent(tolerance)}"
    elif outcome == "issue":
        summary = "It does"
    elif is_shown(size, effect.p_value):
        summary = f"It does, but the estimate is within {percent(tolerance)}"
    else:
        summary = (
            f"No effect is significant, but effects over {percent(tolerance)} are not excluded; "
        )
        summary += "use more faces"
    words = (
        f"{summary}: {found.value:+.1%} ({found.low:+.1%} to {found.high:+.1%}) of {effect.n:,} "
        f"faces, {effect.to.count} became {effect.level!r} and {effect.away.count} ceased to be, "
        f"p = {p_text(effect.p_value)} corrected."
    )
    return Check(
        check_id=effect.check_id,
        title=title,
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=found, p_value=effect.p_value),
    )

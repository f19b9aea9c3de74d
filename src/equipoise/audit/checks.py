"""From rates to checks: groups and their gaps, by `equipoise.audit.decision_rule`.

All tests of one audit as one family: any is rejected by chance at most one time in twenty.

What a reader of any audit with balanced images must know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.counterfactuals.effects import Effect
from equipoise.audit.decision_rule import is_shown, outcome_of
from equipoise.audit.label_noise import (
    PEOPLE,
    ReferenceErrors,
    error_of_group,
    tipping_point,
    true_gap,
)
from equipoise.audit.rates import Breakdown, NamedGap
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate
from equipoise.stats.group_gaps import holm

_FEW = 0.05
"""Share of abstentions up to which they are not worth a word."""


def gap_checks(
    parts: Sequence[Breakdown],
    tolerance: float,
    errors: ReferenceErrors | None,
    images: NDArray[np.int64],
) -> tuple[Check, ...]:
    """Return the check of every gap, and of the label noise behind each gap in errors.

    Parameters
    ----------
    parts : sequence of Breakdown
    tolerance : float
        In [0, 1).
    errors : ReferenceErrors or None
        Of the K cells of all balanced attributes; None where they are not known.
    images : numpy.ndarray, shape (K,), int64
        Images of those cells of which answer and truth are known.
    """
    checks: list[Check] = []
    for part in parts:
        if not any(named.check_id.startswith("error_gap:") for named in part.gaps):
            words = "There is no reference, or fewer than two groups with answers."
            title = f"Is the error rate equal over {len(part.groups)} groups?"
            checks.append(
                Check(
                    check_id=f"error_gap:{part.where}", title=title, outcome="skipped", words=words
                )
            )
        for named in part.gaps:
            check = gap_check(named, tolerance, len(part.groups))
            if named.check_id.startswith("error_gap:"):
                checks += noise_checks(part, named, check, errors, images)
            else:
                checks.append(check)
    return tuple(checks)


def gap_check(named: NamedGap, tolerance: float, groups: int) -> Check:
    """Judge a gap; one that is no fault is a tip where it would be an issue.

    Parameters
    ----------
    named : NamedGap
    tolerance : float
        In [0, 1).
    groups : int
        How many groups were compared.
    """
    gap, found = named.gap, named.gap.difference
    shown = is_shown(found, named.p_value)
    outcome = outcome_of(found, named.p_value, tolerance)
    if outcome == "passed":
        said = f"Any gap is within {tolerance:.1%}"
    elif outcome == "issue":
        said = f"It is highest in {gap.highest} and lowest in {gap.lowest}"
        outcome = "issue" if named.is_fault else "tip"
    elif shown:
        said = f"There is a gap, but its estimate is within {tolerance:.1%}"
    else:
        said = f"No gap is shown, nor excluded over {tolerance:.1%}; take more images"
    words = (
        f"{said}: the largest gap is {found.value:.1%} ({found.low:.1%} to {found.high:.1%}), "
        f"p = {named.p_value:.2g} corrected."
    )
    if outcome == "tip" and shown and not named.is_fault:
        words += " Without a reference nobody knows whether the faces differ or the answers err."
    title = f"Is the {named.what} equal over {groups} groups?"
    return Check(
        check_id=named.check_id,
        title=title,
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=found, p_value=named.p_value),
    )


def noise_checks(
    part: Breakdown,
    named: NamedGap,
    check: Check,
    errors: ReferenceErrors | None,
    images: NDArray[np.int64],
) -> tuple[Check, Check]:
    """Ask whether the reference's own errors explain a gap in errors.

    Parameters
    ----------
    part : Breakdown
    named : NamedGap
        Its gap in errors.
    check : Check
        Of that gap.
    errors, images
        As for `gap_checks`.

    Returns
    -------
    gap, noise : Check
        The check of the gap, a tip now where the reference errs often enough to explain it, and
        that of the noise.
    """
    gap = named.gap
    check_id, title = f"label_noise:{part.where}", "Could errors of the reference explain the gap?"
    if check.outcome != "issue":
        return check, Check(
            check_id=check_id,
            title=title,
            outcome="not applicable",
            words="No gap in errors needs explaining.",
        )
    if errors is None:
        point = tipping_point(gap.pair)
        words = (
            "The reference's errors are not known. It would have to err on "
            f"{point.value:.1%} of the images of both {gap.highest} and {gap.lowest} to explain "
            f"the gap away, and on {point.low:.1%} to make it unsure."
        )
        return check, Check(
            check_id=check_id,
            title=title,
            outcome="not applicable",
            words=words,
            evidence=Evidence(estimate=point),
        )
    told = [
        error_of_group(errors, name, images, len(part.groups)) for name in (gap.highest, gap.lowest)
    ]
    likely = true_gap(gap.pair, [rate for rate, _ in told])
    found = true_gap(gap.pair, [bound for _, bound in told])
    weak = ""
    if errors.judge != PEOPLE:
        weak = f" Where {errors.judge} errs as well, this is too much."
    words = (
        f"By {errors.judge} the reference errs on up to {told[0][1]:.1%} in {gap.highest} and "
        f"{told[1][1]:.1%} in {gap.lowest}; the true gap between these is from {found.low:.1%} to "
        f"{found.high:.1%}.{weak}"
    )
    if found.low > 0:
        return check, Check(
            check_id=check_id,
            title=title,
            outcome="passed",
            words=f"No. {words}",
            evidence=Evidence(estimate=found),
        )
    if likely.low <= 0:
        explained = f"{check.words} It could be explained by label noise, at worst: see {check_id}."
        noise = Check(
            check_id=check_id,
            title=title,
            outcome="tip",
            words=f"Yes, at worst. {words}",
            evidence=Evidence(estimate=found),
        )
        return replace(check, outcome="tip", words=explained), noise
    words = f"Too few images were judged to tell; judge more of both groups. {words}"
    return check, Check(
        check_id=check_id,
        title=title,
        outcome="tip",
        words=words,
        evidence=Evidence(estimate=found),
    )


def question_checks(cells: Breakdown, size: int) -> tuple[Check, Check, Check]:
    """Ask whether all images could be asked about, are answered, and whether the cells are even.

    Parameters
    ----------
    cells : Breakdown
        By cell, of those that have images.
    size : int
        How many cells there are.
    """
    n, failed = sum(g.n for g in cells.groups), sum(g.failed for g in cells.groups)
    least = min(cells.groups, key=lambda g: g.n)
    most = max(cells.groups, key=lambda g: g.n)
    empty = size - len(cells.groups)
    even = not empty and most.n <= 1.1 * least.n + 1
    words = f"From {least.n:,} to {most.n:,} images a cell; fewest in {least.name}."
    if empty:
        words += f" {empty} of {size} cells have none."
    if not even:
        words += " Rates by a level of one attribute mix the cells unevenly: read those by cell."
    evidence = Evidence(estimate=Estimate(most.n / least.n))
    title = "Have the cells equally many images?"
    balance = Check(
        check_id="balance",
        title=title,
        outcome="passed" if even else "tip",
        words=words,
        evidence=evidence,
    )
    return failures_check("the model", failed, n), _abstentions(cells), balance


def failures_check(who: str, failed: int, n: int) -> Check:
    """Ask whether all of n images could be asked about."""
    title = f"Could {who} be asked about all images?"
    words = f"All {n:,} were."
    if failed:
        words = f"{failed:,} of {n:,} failed and count nowhere; the same command asks them again."
    return Check(
        check_id="failures",
        title=title,
        outcome="tip" if failed else "passed",
        words=words,
        evidence=Evidence(estimate=Estimate(failed / n)),
    )


def _abstentions(cells: Breakdown) -> Check:
    count = sum(g.abstention.count for g in cells.groups)
    n = sum(g.abstention.n for g in cells.groups)
    title, words = "Does the model answer?", f"It abstains on {count:,} of {n:,}."
    evidence = Evidence(estimate=Estimate(count / n if n else np.nan))
    if count == n:
        words += " There is no answer that could be wrong, so nothing else tells of its errors."
        return Check(
            check_id="abstentions", title=title, outcome="issue", words=words, evidence=evidence
        )
    few = count <= _FEW * n
    if not few:
        words += " Errors are counted among the rest, which may be the easy ones."
    return Check(
        check_id="abstentions",
        title=title,
        outcome="passed" if few else "tip",
        words=words,
        evidence=evidence,
    )


def adjust(
    parts: Sequence[Breakdown], effects: Sequence[Effect] = ()
) -> tuple[tuple[Breakdown, ...], tuple[Effect, ...]]:
    """Return gaps and effects with p-values by Holm over all of them."""
    alone = [named.gap.p_value for part in parts for named in part.gaps]
    alone += [effect.p_value for effect in effects]
    found = iter(holm(alone).tolist())
    gaps = tuple(
        replace(part, gaps=tuple(replace(named, p_value=next(found)) for named in part.gaps))
        for part in parts
    )
    return gaps, tuple(replace(effect, p_value=next(found)) for effect in effects)


_SKIN_TONE = (
    "Skin tone is computed from pixels: a lit face and a light face look alike to it, so a gap "
    "between skin tones may be one between lightings."
)
_SYNTHETIC = (
    "The images are synthetic. They reveal failures; they are no certificate for photographs."
)


def of_images(attributes: Sequence[str]) -> list[str]:
    """Return the caveats of verified images that are grouped by some attributes."""
    lit = any(name.startswith("skin_tone") for name in attributes)
    return [*([_SKIN_TONE] if lit else []), _SYNTHETIC]

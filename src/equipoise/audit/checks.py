"""Checks of an audit: gaps between groups, label noise, failures, abstentions, and balance.

Gaps are judged by `equipoise.audit.decision_rule`. All tests of one audit are one family, adjusted
by Holm's method. The caveats of audits on balanced images are here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from equipoise.audit.named_gaps import NamedGap
from equipoise.audit.rates import Breakdown
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate
from equipoise.core.numbers import estimate, p_text, percent
from equipoise.stats.group_gaps import holm

_FEW = 0.05
"""Share of abstentions up to which the check passes; chosen by hand."""

_OF_ERRORS = ("error", "false", "missed", "within_one")
"""Gaps that errors of the reference could explain."""

_IMPLAUSIBLE = 0.2
"""Error of a reference, in both groups of a gap, from which on it is not believed to explain a gap
where it was not measured; chosen by hand."""

_EVEN = 1.1
"""Ratio of the largest to the smallest cell up to which cells count as balanced; by hand."""


def gap_checks(
    parts: Sequence[Breakdown],
    tolerance: float,
    errors: ReferenceErrors | None,
    images: NDArray[np.int64],
) -> tuple[Check, ...]:
    """Return the check of every gap, and of label noise for each gap in errors.

    Parameters
    ----------
    parts : sequence of Breakdown
    tolerance : float
        Largest gap that is tolerated, in [0, 1).
    errors : ReferenceErrors or None
        Errors of the reference in the K cells of all balanced attributes; None where not known.
    images : numpy.ndarray, shape (K,), int64
        Images of those cells with a prediction and a truth.
    """
    checks: list[Check] = []
    for part in parts:
        if not any(named.check_id.startswith("error_gap:") for named in part.gaps):
            words = "There is no reference, or fewer than two groups have predictions."
            title = f"Is the error rate equal over {len(part.groups)} groups?"
            checks.append(
                Check(
                    check_id=f"error_gap:{part.where}", title=title, outcome="skipped", words=words
                )
            )
        for named in part.gaps:
            check = gap_check(named, tolerance, len(part.groups))
            if named.check_id.split("_gap:")[0] in _OF_ERRORS:
                checks += noise_checks(part, named, check, errors, images)
            elif named.check_id.startswith("abstention_gap:") and not any(
                group.abstention.count for group in part.groups
            ):
                words = "The model abstained on no image."
                checks.append(replace(check, outcome="not applicable", words=words))
            else:
                checks.append(check)
    return tuple(checks)


def gap_check(
    named: NamedGap,
    tolerance: float,
    groups: int,
    write: Callable[[float | None], str] = percent,
) -> Check:
    """Return the check of a gap. A gap that is no fault of the model is a tip and never an issue.

    Parameters
    ----------
    named : NamedGap
    tolerance : float
        Largest gap that is tolerated, at least 0.
    groups : int
        Number of groups that were compared.
    write : callable
        Text of a number of this kind.
    """
    gap, found = named.gap, named.gap.difference
    shown = is_shown(found, named.p_value)
    outcome = outcome_of(found, named.p_value, tolerance)
    if outcome == "passed":
        summary = f"Any gap is within {write(tolerance)}"
    elif outcome == "issue":
        summary = f"It is highest in {gap.highest} and lowest in {gap.lowest}"
        outcome = "issue" if named.is_fault else "tip"
    elif shown:
        summary = f"There is a gap, but its estimate is within {write(tolerance)}"
    else:
        summary = (
            f"No gap is significant, but gaps over {write(tolerance)} are not excluded; use more"
        )
        summary += " images"
    words = (
        f"{summary}: the largest gap is "
        f"{estimate(found, write)}, "
        f"p = {p_text(named.p_value)} corrected."
    )
    if outcome == "tip" and shown and not named.is_fault:
        words += " It is not known whether faces differ or predictions err."
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
    """Check whether errors of the reference could explain a gap in errors.

    Parameters
    ----------
    part : Breakdown
    named : NamedGap
        Its gap in errors.
    check : Check
        The check of that gap.
    errors, images
        As for `gap_checks`.

    Returns
    -------
    gap, noise : Check
        The check of the gap, undecided if errors of the reference could explain it, and the check
        of label noise.
    """
    gap = named.gap
    what, where = named.check_id.split("_gap:")
    check_id = f"label_noise:{where}" if what == "error" else f"label_noise:{what}:{where}"
    title = f"Could errors of the reference explain the gap in the {named.what}?"
    if check.outcome != "issue":
        words = "There is no gap in errors to explain."
        return check, Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    if errors is None:
        point = tipping_point(gap.pair)
        words = (
            "The error rate of the reference is not known. It would have to be "
            f"{percent(point.value)} in both {gap.highest} and {gap.lowest} to explain the "
            "whole gap, "
            f"and {percent(point.low)} to make the gap insignificant."
        )
        if point.low < _IMPLAUSIBLE:
            check = replace(check, outcome="undecided", words=f"{_UNDECIDED} {check.words}")
        return check, Check(
            check_id=check_id,
            title=title,
            outcome="not applicable",
            words=words,
            evidence=Evidence(estimate=point),
        )
    both = (gap.highest, gap.lowest)
    compared = {group.name: group.error.n for group in part.groups}
    # All errors of the reference may lie among the images that this rate is over.
    more = [compared[name] / n for name, n in zip(both, named.trials, strict=True)]
    of_both = [error_of_group(errors, name, images, len(part.groups)) for name in both]
    rates, bounds = (
        [min(rate * factor, 1.0) for rate, factor in zip(one, more, strict=True)]
        for one in zip(*of_both, strict=True)
    )
    likely, found = true_gap(gap.pair, rates), true_gap(gap.pair, bounds)
    caution = ""
    if errors.judge != PEOPLE:
        caution = " The second opinion may err too, so these rates may be too high."
    words = (
        f"According to {errors.judge}, the reference errs on up to {percent(bounds[0])} in "
        f"{gap.highest} and {percent(bounds[1])} in {gap.lowest}; the true gap between "
        "these groups is "
        f"{percent(found.low)} to {percent(found.high)}.{caution}"
    )
    if found.low > 0:
        return check, Check(
            check_id=check_id,
            title=title,
            outcome="passed",
            words=f"No. {words}",
            evidence=Evidence(estimate=found),
        )
    check = replace(check, outcome="undecided", words=f"{_UNDECIDED} {check.words}")
    if likely.low <= 0:
        explained = f"{check.words} In the worst case label noise explains it: see {check_id}."
        noise = Check(
            check_id=check_id,
            title=title,
            outcome="tip",
            words=f"In the worst case, yes. {words}",
            evidence=Evidence(estimate=found),
        )
        return replace(check, words=explained), noise
    words = f"Too few images were judged to decide; judge more of both groups. {words}"
    return check, Check(
        check_id=check_id,
        title=title,
        outcome="tip",
        words=words,
        evidence=Evidence(estimate=found),
    )


_UNDECIDED = "Undecided by label noise."


def question_checks(
    cells: Breakdown, size: int, *, recorded: bool = False
) -> tuple[Check, Check, Check]:
    """Check for failures, for abstentions, and whether the cells are balanced.

    Parameters
    ----------
    cells : Breakdown
        By cell, for cells with images.
    size : int
        Number of cells, including empty ones.
    recorded : bool
        Whether the answers come from a file, so that nothing is asked again.
    """
    n, failed = sum(g.n for g in cells.groups), sum(g.failure.count for g in cells.groups)
    no_face = sum(g.no_face for g in cells.groups)
    balance = balance_check({group.name: group.n for group in cells.groups}, size)
    again = 0 if recorded else failed - no_face
    failures = failures_check("the model", failed, n, no_face=no_face, again=again)
    return failures, _abstentions(cells), balance


def balance_check(images: Mapping[str, int], size: int) -> Check:
    """Check whether the cells are balanced.

    Parameters
    ----------
    images : mapping of str to int
        Images of each cell that has any.
    size : int
        Number of cells, including empty ones.
    """
    least, most = min(images, key=images.__getitem__), max(images.values())
    empty = size - len(images)
    even = not empty and most <= _EVEN * images[least] + 1
    words = f"{images[least]:,} to {most:,} images per cell, fewest in {least}."
    if empty:
        words += f" {empty} of {size} cells have none."
    if not even:
        words += (
            " Rates of one attribute's levels are means over unbalanced cells: use those by cell."
        )
    return Check(
        check_id="balance",
        title="Do all cells have about the same number of images?",
        outcome="passed" if even else "tip",
        words=words,
        evidence=Evidence(estimate=Estimate(most / images[least])),
    )


def failures_check(
    who: str, failed: int, n: int, *, no_face: int = 0, again: int | None = None
) -> Check:
    """Check whether `who` could process all of n images.

    Parameters
    ----------
    who : str
        The model or panel, as the check's title names it.
    failed, n : int
        Images without an answer, and all images.
    no_face : int
        Those of them in which no face was found.
    again : int, optional
        Those that the same command asks about again; by default all in which a face may be.
    """
    title = f"Could {who} process all images?"
    words = f"Yes, all {n:,}."
    if failed:
        words = f"{failed:,} of {n:,} have no answer and are left out."
        if no_face:
            words += f" In {no_face:,} of them no face was found."
        if failed - no_face if again is None else again:
            words += " A model that failed is asked again by the same command."
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
    title, words = "Does the model make predictions?", f"It abstains on {count:,} of {n:,}."
    evidence = Evidence(estimate=Estimate(count / n if n else np.nan))
    if count == n:
        words += " Without predictions, no other check can find errors."
        return Check(
            check_id="abstentions", title=title, outcome="issue", words=words, evidence=evidence
        )
    few = count <= _FEW * n
    if not few:
        words += " Errors are counted among the other images, which may be easier."
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
    """Return breakdowns and effects with p-values adjusted by Holm's method over all of them.

    Gaps of response times are a family of their own: whether there are times, and how many, depends
    on which answers were kept.
    """
    every = [named for part in parts for named in part.gaps]
    timed = iter(holm([one.gap.p_value for one in every if _is_timed(one)]).tolist())
    alone = [one.gap.p_value for one in every if not _is_timed(one)]
    alone += [effect.p_value for effect in effects]
    found = iter(holm(alone).tolist())
    gaps = tuple(
        replace(
            part,
            gaps=tuple(
                replace(named, p_value=next(timed if _is_timed(named) else found))
                for named in part.gaps
            ),
        )
        for part in parts
    )
    return gaps, tuple(replace(effect, p_value=next(found)) for effect in effects)


def _is_timed(named: NamedGap) -> bool:
    return named.check_id.startswith("seconds_gap:")


_SKIN_TONE = (
    "Skin tone is computed from pixels, which do not distinguish light skin from bright lighting. "
    "A gap between skin tones may be a gap between lightings."
)
_SYNTHETIC = (
    "The images are synthetic. They reveal failures, but they do not certify performance on "
    "photographs."
)


_PHOTOGRAPHS = (
    "The images are photographs, cut to their middle square of {side} pixels, with the labels of "
    "who gave them. They show whom they show, not all people."
)


def image_caveats(attributes: Sequence[str], side: int = 0) -> list[str]:
    """Return the caveats of an audit on images that are grouped by some attributes.

    Parameters
    ----------
    attributes : sequence of str
    side : int
        As of `AuditImages`: above 0 for photographs.
    """
    if side:
        return [_PHOTOGRAPHS.format(side=side)]
    by_skin_tone = any(name.startswith("skin_") for name in attributes)
    return [*([_SKIN_TONE] if by_skin_tone else []), _SYNTHETIC]

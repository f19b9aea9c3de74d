"""A check of an audit: a stable identifier, one of seven outcomes, words, and their numbers.

Identifiers are `WHAT_gap:WHERE`, such as `error_gap:cells` and `abstention_gap:skin_tone`, or one
word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.notebook import as_html

Outcome = Literal["issue", "undecided", "tip", "passed", "not applicable", "skipped", "ignored"]

OUTCOMES: tuple[Outcome, ...] = (
    *("issue", "undecided", "tip", "passed", "not applicable", "skipped", "ignored"),
)
"""All outcomes, the most severe first.

issue: a significant fault. undecided: one that errors of the reference could explain. tip: worth a
look, or more images. passed: shown to be within the tolerance. not applicable: the question
has no answer for these data. skipped: its input was not given. ignored: the user excluded it; its
numbers are kept.
"""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers of an outcome.

    Attributes
    ----------
    estimate : Estimate
    p_value : float
        Adjusted for all tests of the audit; NaN without a test.
    """

    estimate: Estimate
    p_value: float = np.nan


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question about a model, and its answer.

    Attributes
    ----------
    check_id : str
        The same in all versions, for `--ignore`.
    title : str
        The question.
    outcome : str
        One of `OUTCOMES`.
    words : str
        The answer as sentences.
    evidence : Evidence or None
        None where there are no numbers.
    """

    check_id: str
    title: str
    outcome: Outcome
    words: str
    evidence: Evidence | None = None


def ignoring(checks: Sequence[Check], ids: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks; those of `ids` get the outcome "ignored" and keep words and numbers.

    Raises
    ------
    InputError
        When no check has such an identifier.

    Examples
    --------
    >>> check = Check(check_id="failures", title="All asked?", outcome="tip", words="3 were not.")
    >>> ignoring([check], ["failures"])[0].outcome
    'ignored'
    """
    known = [check.check_id for check in checks]
    for check_id in ids:
        if check_id not in known:
            raise InputError(
                "check to ignore",
                f"must be one of {', '.join(known)}",
                check_id,
                "Correct its name.",
            )
    return tuple(replace(c, outcome="ignored") if c.check_id in ids else c for c in checks)


def worst_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return checks in the order of `OUTCOMES`, faults with the largest estimate first.

    Others of one outcome keep their order.
    """

    def place(check: Check) -> tuple[int, float]:
        fault = check.outcome in ("issue", "undecided") and check.evidence is not None
        return OUTCOMES.index(check.outcome), -_size(check) if fault else 0.0

    return tuple(sorted(checks, key=place))


def _size(check: Check) -> float:
    value = np.nan if check.evidence is None else check.evidence.estimate.value
    return float(np.nan_to_num(abs(value), nan=0.0))


def checks_as_html(verdict: str, checks: Sequence[Check]) -> str:
    """Return a verdict and its checks as a notebook shows them."""
    rows = [(check.outcome, check.title, check.words) for check in checks]
    return as_html(verdict, ("outcome", "question", "answer"), rows)


def by_kind(checks: Sequence[Check]) -> tuple[tuple[Check, ...], ...]:
    """Return checks in the order of `OUTCOMES`, in groups of one outcome and kind to be folded.

    The kind is what its identifier has before the first colon. In a group the largest estimate
    comes first. Each issue is a group of its own.

    Examples
    --------
    >>> def check(name: str, size: float, outcome: Outcome = "tip") -> Check:
    ...     evidence = Evidence(estimate=Estimate(size))
    ...     return Check(check_id=name, title="", outcome=outcome, words="", evidence=evidence)
    >>> found = [check("gap:a", 0.1), check("noise", 0), check("gap:b", -0.3)]
    >>> [[c.check_id for c in group] for group in by_kind([*found, check("gap:d", 0, "issue")])]
    [['gap:d'], ['gap:b', 'gap:a'], ['noise']]
    """
    groups: dict[tuple[str, ...], list[Check]] = {}
    for check in worst_first(checks):
        own = check.check_id if check.outcome == "issue" else check.check_id.partition(":")[0]
        groups.setdefault((check.outcome, own), []).append(check)

    def size(check: Check) -> float:
        value = check.evidence.estimate.value if check.evidence else np.nan
        return float(np.nan_to_num(abs(value)))

    return tuple(tuple(sorted(group, key=size, reverse=True)) for group in groups.values())


def verdict(checks: Sequence[Check]) -> str:
    """Return the numbers of outcomes as a sentence, with the fault of the largest estimate.

    Examples
    --------
    >>> outcomes = {"failures": "passed", "error_gap:cells": "issue"}
    >>> verdict([Check(check_id=k, title="", outcome=v, words="") for k, v in outcomes.items()])
    '1 issue, 1 passed: error_gap:cells.'
    """
    counts = [(outcome, [c for c in checks if c.outcome == outcome]) for outcome in OUTCOMES]
    plural = {"issue": "issues", "tip": "tips"}
    summary = ", ".join(
        f"{len(found)} {plural.get(outcome, outcome) if len(found) > 1 else outcome}"
        for outcome, found in counts
        if found
    )
    issues = [check for check in checks if check.outcome == "issue"]
    if not issues:
        undecided = [check for check in checks if check.outcome == "undecided"]
        return f"{'Undecided' if undecided else 'No issue'}. {summary}."
    names = ", ".join(check.check_id for check in issues)
    worst = max(issues, key=_size)
    return f"{summary}: {names}." + (
        f" The worst, {worst.check_id}: {worst.words}" * (len(issues) > 1)
    )

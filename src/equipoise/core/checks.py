"""A check of an audit: a stable code, one of six outcomes, words, and the numbers behind them.

Codes are `WHAT_gap:WHERE`, as `error_gap:cells` and `abstention_gap:skin_tone`, or one word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate

Outcome = Literal["issue", "tip", "passed", "not applicable", "skipped", "ignored"]

OUTCOMES: tuple[Outcome, ...] = ("issue", "tip", "passed", "not applicable", "skipped", "ignored")
"""All outcomes, the one to read first in front.

issue: something is wrong, beyond chance. tip: worth a look, or more images. passed: shown to be
within what is tolerated. not applicable: the question has no answer here. skipped: what it needs
was not given. ignored: the user asked to leave it; its numbers stay.
"""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers behind an outcome.

    Attributes
    ----------
    estimate : Estimate
    p_value : float
        Adjusted for all tests of the audit; NaN where nothing was tested.
    """

    estimate: Estimate
    p_value: float = np.nan


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to a model, and its answer.

    Attributes
    ----------
    code : str
        Stable over versions, for `--ignore`.
    title : str
        What was asked.
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


def ignoring(checks: Sequence[Check], codes: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks, those of `codes` with the outcome "ignored"; words and numbers stay.

    Raises
    ------
    InputError
        When no check has such a code.

    Examples
    --------
    >>> check = Check(check_id="failures", title="All asked?", outcome="tip", words="3 were not.")
    >>> ignoring([check], ["failures"])[0].outcome
    'ignored'
    """
    known = [check.check_id for check in checks]
    for check_id in codes:
        if check_id not in known:
            raise InputError(
                "code to ignore",
                f"must be one of {', '.join(known)}",
                check_id,
                "Correct the code.",
            )
    return tuple(replace(c, outcome="ignored") if c.check_id in codes else c for c in checks)


def worst_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Order checks by outcome as in `OUTCOMES`; equals keep their order."""
    return tuple(sorted(checks, key=lambda check: OUTCOMES.index(check.outcome)))


def verdict(checks: Sequence[Check]) -> str:
    """Say in a sentence what came of all checks.

    Examples
    --------
    >>> outcomes = {"failures": "passed", "error_gap:cells": "issue"}
    >>> verdict([Check(check_id=k, title="", outcome=v, words="") for k, v in outcomes.items()])
    '1 issue, 1 passed: error_gap:cells.'
    """
    counts = [(outcome, [c for c in checks if c.outcome == outcome]) for outcome in OUTCOMES]
    plural = {"issue": "issues", "tip": "tips"}
    told = ", ".join(
        f"{len(found)} {plural.get(outcome, outcome) if len(found) > 1 else outcome}"
        for outcome, found in counts
        if found
    )
    issues = ", ".join(check.check_id for check in checks if check.outcome == "issue")
    return f"{told}: {issues}." if issues else f"No issue. {told}."

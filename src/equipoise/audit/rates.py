"""Rates of a model's answers, group by group, with intervals.

Rates and gaps by cell, and by the levels of each attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import FAILED
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.group_gaps import Gap, against_rest, audit_library, largest_gap
from equipoise.stats.shares import Share

_RESAMPLES = 999

Levels = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class PredictionsVsReference:
    """Answers beside the truth, as far as it is known, in one numbering of the levels.

    Attributes
    ----------
    levels : tuple of str
        The L audited levels.
    answers : numpy.ndarray, shape (n,), int8
        -1 for an abstention, `FAILED` where the model could not be asked.
    truth : numpy.ndarray, shape (n,), int8
        By the reference; -1 where it tells none.
    confidence : numpy.ndarray, shape (n,), float32
        In [0, 1]; NaN where the model could not be asked.
    """

    levels: tuple[str, ...]
    answers: Levels
    truth: Levels
    confidence: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class LevelRates:
    """Answers of one level against all others.

    Attributes
    ----------
    level : str
    answered : Share
        Answers of this level among all answers.
    false_positive : Share
        Answers of this level among answers whose truth is another.
    false_negative : Share
        Answers of other levels among answers whose truth is this one.
    """

    level: str
    answered: Share
    false_positive: Share
    false_negative: Share


@dataclass(frozen=True, kw_only=True)
class GroupRates:
    """One group.

    Attributes
    ----------
    name : str
    n : int
        Images.
    failed : int
        Of these the model could not be asked about.
    error : Share
        Answers that differ from the truth, among those whose truth is known.
    error_p_value : float
        That the group errs as often as all others together, by Holm over the groups.
    abstention : Share
        Abstentions among images that could be asked about.
    confidence : Estimate
        Mean over answers; percentile bootstrap.
    levels : tuple of LevelRates
        The last of two levels, or each of more.
    """

    name: str
    n: int
    failed: int
    error: Share
    error_p_value: float
    abstention: Share
    confidence: Estimate
    levels: tuple[LevelRates, ...]


def group_rates(
    compared: PredictionsVsReference,
    names: Sequence[str],
    group: NDArray[np.int64],
    *,
    seed: int = 0,
) -> tuple[GroupRates, ...]:
    """Return the rates of each group that has images, in the order of `names`.

    Counting is fairlearn's `MetricFrame.by_group`.

    Parameters
    ----------
    compared : PredictionsVsReference
        On n images.
    names : sequence of str
        K groups.
    group : numpy.ndarray, shape (n,), int64
        The group of each image, in [0, K).
    seed : int
        Of the bootstrap.
    """
    told = _told_levels(compared.levels)
    frame = audit_library("fairlearn.metrics").MetricFrame(
        metrics=_counters(told),
        y_true=compared.truth.astype(np.int64),
        y_pred=compared.answers.astype(np.int64),
        sensitive_features=group,
    )
    rows = [(int(k), frame.by_group.loc[k].astype(int).to_dict()) for k in frame.by_group.index]
    p_values = against_rest([row["wrong"] for _, row in rows], [row["judged"] for _, row in rows])
    return tuple(
        GroupRates(
            name=names[k],
            n=row["n"],
            failed=row["failed"],
            error=Share.of(names[k], row["wrong"], row["judged"]),
            error_p_value=float(p_value),
            abstention=Share.of(names[k], row["abstained"], row["n"] - row["failed"]),
            confidence=bootstrap_mean(
                compared.confidence[(group == k) & (compared.answers >= 0)], seed=seed, key=k
            ),
            levels=tuple(
                LevelRates(
                    level=compared.levels[level],
                    answered=Share.of(names[k], row[f"answered {level}"], row["answered"]),
                    false_positive=Share.of(
                        names[k], row[f"false {level}"], row["judged"] - row[f"true {level}"]
                    ),
                    false_negative=Share.of(names[k], row[f"missed {level}"], row[f"true {level}"]),
                )
                for level in told
            ),
        )
        for (k, row), p_value in zip(rows, p_values, strict=True)
    )


def _told_levels(levels: tuple[str, ...]) -> list[int]:
    """Return which levels are told: of two the last, whose rates mirror the first's."""
    return [1] if len(levels) == 2 else list(range(len(levels)))


def _counters(told: Sequence[int]) -> dict[str, Callable[[Levels, Levels], int]]:
    """Return what is counted in a group, functions of (truth, answers)."""
    counters: dict[str, Callable[[Levels, Levels], int]] = {
        "n": lambda truth, answers: len(answers),
        "failed": lambda truth, answers: int((answers == FAILED).sum()),
        "abstained": lambda truth, answers: int((answers == UNKNOWN).sum()),
        "answered": lambda truth, answers: int((answers >= 0).sum()),
        "judged": lambda truth, answers: int(_judged(truth, answers).sum()),
        "wrong": lambda truth, answers: int((_judged(truth, answers) & (truth != answers)).sum()),
    }
    for level in told:
        counters[f"answered {level}"] = partial(_count, level, None, True)
        counters[f"true {level}"] = partial(_count, level, True, None)
        counters[f"false {level}"] = partial(_count, level, False, True)
        counters[f"missed {level}"] = partial(_count, level, True, False)
    return counters


def _judged(truth: Levels, answers: Levels) -> NDArray[np.bool_]:
    return np.asarray((truth >= 0) & (answers >= 0))


def _count(
    level: int, is_true: bool | None, is_answer: bool | None, truth: Levels, answers: Levels
) -> int:
    """Count answers by whether the truth, and the answer, are a level; None asks for neither."""
    chosen = answers >= 0
    if is_true is not None:
        chosen &= (truth >= 0) & ((truth == level) == is_true)
    if is_answer is not None:
        chosen &= (answers == level) == is_answer
    return int(chosen.sum())


def bootstrap_mean(values: NDArray[np.floating[Any]], *, seed: int, key: int) -> Estimate:
    """Return the mean with the percentile bootstrap's interval (Efron 1979).

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
    seed, key : int
        Name the draws.

    Examples
    --------
    >>> bootstrap_mean(np.float32([0.5, 0.5]), seed=0, key=0)
    Estimate(value=0.5, low=0.5, high=0.5, note='')
    """
    if not len(values):
        return Estimate.missing("no value")
    if len(values) == 1:
        return Estimate(float(values[0]), note="one value has no interval")
    rows = values.astype(np.float64)
    rng = generator_for(seed, Stream.RATE_BOOTSTRAP, key)
    means = [rows[rng.integers(len(rows), size=len(rows))].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(rows.mean()), float(low), float(high))


CELLS = "cells"


@dataclass(frozen=True, kw_only=True)
class NamedGap:
    """A gap that was looked at.

    Attributes
    ----------
    code : str
        Of its check.
    what : str
        The rate: "error rate", "rate of abstention", "share of answers yes".
    is_fault : bool
        Whether a gap can be an issue; shares of answers may differ because the faces do.
    gap : Gap
    p_value : float
        By Holm over all tests of the audit, where `family.adjust` made it so; NaN before.
    """

    check_id: str
    what: str
    is_fault: bool
    gap: Gap
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Rates by cell, or by the levels of one attribute.

    Attributes
    ----------
    where : str
        "cells", or the attribute.
    groups : tuple of GroupRates
    gaps : tuple of NamedGap
    """

    where: str
    groups: tuple[GroupRates, ...]
    gaps: tuple[NamedGap, ...]


def break_down(
    compared: PredictionsVsReference, by: AttributeGrid, levels: NDArray[np.int8], *, seed: int = 0
) -> tuple[Breakdown, ...]:
    """Return the rates and gaps by cell, and by each attribute where there are several.

    Parameters
    ----------
    compared : PredictionsVsReference
        On n images.
    by : AttributeGrid
        Attributes to group by, A of them.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels of them.
    seed : int
        Of bootstrap and simulated tests.
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
        rates = group_rates(compared, names, group, seed=seed)
        found.append(Breakdown(where=where, groups=rates, gaps=_gaps(where, rates, seed)))
    return tuple(found)


def _gaps(where: str, rates: Sequence[GroupRates], seed: int) -> tuple[NamedGap, ...]:
    """Return the gaps of one breakdown; answers are compared only where no truth is known."""
    asked: list[tuple[str, str, bool, list[Share]]] = [
        (f"error_gap:{where}", "error rate", True, [g.error for g in rates]),
        (f"abstention_gap:{where}", "rate of abstention", True, [g.abstention for g in rates]),
    ]
    if not sum(g.error.n for g in rates):
        for i, told in enumerate(rates[0].levels):
            shares = [g.levels[i].answered for g in rates]
            check_id = f"answer_gap:{where}:{told.level}"
            asked.append((check_id, f"share of answers {told.level!r}", False, shares))
    found = []
    for check_id, what, is_fault, told_rates in asked:
        gap = largest_gap(
            [g.name for g in rates],
            [rate.count for rate in told_rates],
            [rate.n for rate in told_rates],
            seed=seed,
        )
        if gap is not None:
            found.append(
                NamedGap(check_id=check_id, what=what, is_fault=is_fault, gap=gap, p_value=np.nan)
            )
    return tuple(found)

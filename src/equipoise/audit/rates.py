"""Rates of a model's answers, group by group, with intervals.

Rates and gaps by cell, and by the levels of each attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from equipoise.classifiers.base import FAILED
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.group_gaps import Gap, against_rest, largest_gap
from equipoise.stats.intervals import exact_interval

_RESAMPLES = 999
_BATCH = 100
"""Resamples held in memory at once: with 10,000 images, 8 MB of them."""

_STREAM = 9

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

    @property
    def known(self) -> NDArray[np.bool_]:
        """Images with an answer and a truth, shape (n,)."""
        return np.asarray((self.truth >= 0) & (self.answers >= 0))

    def take(self, rows: NDArray[np.bool_]) -> PredictionsVsReference:
        """Return some of the images, by a mask of shape (n,)."""
        return PredictionsVsReference(
            self.levels, self.answers[rows], self.truth[rows], self.confidence[rows]
        )


@dataclass(frozen=True)
class Rate:
    """Events among trials.

    Attributes
    ----------
    count, n : int
    estimate : Estimate
        The share, with Clopper and Pearson's interval for it alone; NaN when n is 0.
    """

    count: int
    n: int
    estimate: Estimate

    @classmethod
    def of(cls, count: int, n: int) -> Rate:
        """Make a rate of counts."""
        if n == 0:
            return cls(0, 0, Estimate.missing("no such image"))
        return cls(count, n, Estimate(count / n, *exact_interval(count, n)))

    @classmethod
    def among(cls, events: NDArray[np.bool_], trials: NDArray[np.bool_]) -> Rate:
        """Make the rate of events among trials; both are masks of images, shape (n,)."""
        return cls.of(int((events & trials).sum()), int(trials.sum()))


@dataclass(frozen=True)
class LevelRates:
    """Answers of one level against all others.

    Attributes
    ----------
    level : str
    answered : Rate
        Answers of this level among all answers.
    false_positive : Rate
        Answers of this level among answers whose truth is another.
    false_negative : Rate
        Answers of other levels among answers whose truth is this one.
    """

    level: str
    answered: Rate
    false_positive: Rate
    false_negative: Rate


@dataclass(frozen=True)
class GroupRates:
    """One group.

    Attributes
    ----------
    name : str
    n : int
        Images.
    failed : int
        Of these the model could not be asked about.
    error : Rate
        Answers that differ from the truth, among those whose truth is known.
    error_p_value : float
        That the group errs as often as all others together, by Holm over the groups.
    abstention : Rate
        Abstentions among images that could be asked about.
    confidence : Estimate
        Mean over answers; percentile bootstrap.
    levels : tuple of LevelRates
        The last of two levels, or each of more.
    """

    name: str
    n: int
    failed: int
    error: Rate
    error_p_value: float
    abstention: Rate
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
    groups = np.unique(group).tolist()
    parts = [compared.take(group == k) for k in groups]
    wrong = [int((part.known & (part.truth != part.answers)).sum()) for part in parts]
    p_values = against_rest(wrong, [int(part.known.sum()) for part in parts])
    return tuple(
        _rates_of(names[k], part, float(p_value), seed, k)
        for k, part, p_value in zip(groups, parts, p_values, strict=True)
    )


def _rates_of(
    name: str, part: PredictionsVsReference, p_value: float, seed: int, key: int
) -> GroupRates:
    """Return the rates of one group's images; of two levels only the last has rates of its own."""
    truth, answers, known = part.truth, part.answers, part.known
    asked, answered = answers != FAILED, answers >= 0
    first = 1 if len(part.levels) == 2 else 0
    return GroupRates(
        name,
        len(answers),
        int((~asked).sum()),
        Rate.among(truth != answers, known),
        p_value,
        Rate.among(answers == UNKNOWN, asked),
        bootstrap_mean(part.confidence[answered], seed=seed, key=key),
        tuple(
            LevelRates(
                part.levels[level],
                Rate.among(answers == level, answered),
                Rate.among(answers == level, known & (truth != level)),
                Rate.among(answers != level, known & (truth == level)),
            )
            for level in range(first, len(part.levels))
        ),
    )


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
    interval = bootstrap(
        (rows,),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=generator_for(seed, Stream.FIT, _STREAM, key),
    ).confidence_interval
    return Estimate(float(rows.mean()), float(interval.low), float(interval.high))


CELLS = "cells"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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
        found.append(Breakdown(where, rates, _gaps(where, rates, seed)))
    return tuple(found)


def _gaps(where: str, rates: Sequence[GroupRates], seed: int) -> tuple[NamedGap, ...]:
    """Return the gaps of one breakdown; answers are compared only where no truth is known."""
    asked: list[tuple[str, str, bool, list[Rate]]] = [
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
            found.append(NamedGap(check_id, what, is_fault, gap, np.nan))
    return tuple(found)

"""Rates of a model's predictions by group, with intervals, and gaps between the groups.

Groups are the cells, and the levels of each attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from equipoise.audit.named_gaps import NamedGap, gap_of_shares, mean_gap
from equipoise.classifiers.base import NO_FACE
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.seeds import Stream, generator_for
from equipoise.stats.group_gaps import against_rest
from equipoise.stats.shares import Share

if TYPE_CHECKING:
    from equipoise.report.figures import Figure

_RESAMPLES = 999
"""Resamples of the bootstrap: 25 lie beyond each end of a 95 % interval."""

_BATCH = 100
"""Resamples held in memory at once: with 10,000 images, 8 MB of them."""

Levels = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class PredictionsVsReference:
    """Predictions on n images beside the truth, with one numbering of the levels.

    Attributes
    ----------
    levels : tuple of str
        The L audited levels.
    answers : numpy.ndarray, shape (n,), int8
        Predicted levels; -1 for an abstention, `FAILED` or `NO_FACE` where it gave none.
    truth : numpy.ndarray, shape (n,), int8
        Levels by the reference; -1 where it has none.
    confidence : numpy.ndarray, shape (n,), float32
        In [0, 1]; NaN where it gave none.
    weights : numpy.ndarray, shape (n,), float64, or None
        Above 0: of images that stand for others; None where each stands for itself.
    seconds : numpy.ndarray, shape (n,), float32, or None
        Time of each response; NaN where it is not known.
    ordered : bool
        Whether the levels have an order.
    """

    levels: tuple[str, ...]
    answers: Levels
    truth: Levels
    confidence: NDArray[np.float32]
    weights: NDArray[np.float64] | None = None
    seconds: NDArray[np.float32] | None = None
    ordered: bool = False

    @property
    def known(self) -> NDArray[np.bool_]:
        """Mask of the images with a prediction and a truth, shape (n,)."""
        return np.asarray((self.truth >= 0) & (self.answers >= 0))

    def take(self, rows: NDArray[np.bool_]) -> PredictionsVsReference:
        """Return the images of a mask, shape (n,)."""
        return replace(
            self,
            answers=self.answers[rows],
            truth=self.truth[rows],
            confidence=self.confidence[rows],
            weights=None if self.weights is None else self.weights[rows],
            seconds=None if self.seconds is None else self.seconds[rows],
        )


@dataclass(frozen=True, kw_only=True)
class LevelRates:
    """Rates of one predicted level against all others.

    Attributes
    ----------
    level : str
    answered : Share
        Predictions of this level among all predictions.
    false_positive : Share
        Predictions of this level among images whose true level is another.
    false_negative : Share
        Predictions of other levels among images whose true level is this one.
    """

    level: str
    answered: Share
    false_positive: Share
    false_negative: Share


@dataclass(frozen=True, kw_only=True)
class GroupRates:
    """The rates of one group.

    Attributes
    ----------
    name : str
    n : int
        Images.
    failure : Share
        Images without an answer: no face was found, or the model failed.
    error : Share
        Predictions that differ from the truth, among images with a prediction and a truth.
    error_p_value : float
        Of the hypothesis that the group and all others pooled have one error rate; adjusted by
        Holm's method over the groups.
    abstention : Share
        Abstentions among images that are no failures.
    confidence : Estimate
        Mean over predictions, with the interval of the percentile bootstrap.
    seconds : Estimate
        Mean time of a response, likewise; missing where it was not recorded.
    levels : tuple of LevelRates
        Of the last of two levels, or of each of more.
    no_face : int
        Failures because no face was found.
    within_one : Share or None
        Predictions that are the true level or next to it, among images with a prediction and a
        truth; None unless there are three or more levels, in an order.
    """

    name: str
    n: int
    failure: Share
    error: Share
    error_p_value: float
    abstention: Share
    confidence: Estimate
    seconds: Estimate
    levels: tuple[LevelRates, ...]
    no_face: int = 0
    within_one: Share | None = None


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
        The K groups.
    group : numpy.ndarray, shape (n,), int64
        The group of each image, in [0, K).
    seed : int
        Of the bootstrap, in [0, 2**63).
    """
    groups = np.unique(group).tolist()
    parts = [compared.take(group == k) for k in groups]
    errors = [
        Share.among(names[k], part.truth != part.answers, part.known, part.weights)
        for k, part in zip(groups, parts, strict=True)
    ]
    p_values = against_rest(*zip(*(error.tested for error in errors), strict=True))
    return tuple(
        _rates_of(part, error, float(p_value), seed, k)
        for k, part, error, p_value in zip(groups, parts, errors, p_values, strict=True)
    )


def _rates_of(
    part: PredictionsVsReference, error: Share, p_value: float, seed: int, key: int
) -> GroupRates:
    """Return the rates of one group's images; of two levels only the last has rates of its own."""
    name, truth, answers, known = error.name, part.truth, part.answers, part.known
    valid, predicted = answers >= UNKNOWN, answers >= 0
    first = 1 if len(part.levels) == 2 else 0
    return GroupRates(
        name=name,
        n=len(answers),
        failure=Share.among(name, ~valid, np.ones(len(answers), bool), part.weights),
        error=error,
        error_p_value=p_value,
        abstention=Share.among(name, answers == UNKNOWN, valid, part.weights),
        confidence=_mean_of(part, np.where(predicted, part.confidence, np.nan), seed, key),
        seconds=_mean_of(part, part.seconds, seed, key),
        levels=tuple(
            LevelRates(
                level=part.levels[level],
                answered=Share.among(name, answers == level, predicted, part.weights),
                false_positive=Share.among(
                    name, answers == level, known & (truth != level), part.weights
                ),
                false_negative=Share.among(
                    name, answers != level, known & (truth == level), part.weights
                ),
            )
            for level in range(first, len(part.levels))
        ),
        no_face=int((answers == NO_FACE).sum()),
        within_one=Share.among(name, np.abs(answers - truth) <= 1, known, part.weights)
        if part.ordered and len(part.levels) > 2
        else None,
    )


def _mean_of(
    part: PredictionsVsReference, values: NDArray[np.float32] | None, seed: int, key: int
) -> Estimate:
    """Return the mean of the values that are not NaN."""
    if values is None:
        return Estimate.missing("not recorded")
    rows = np.isfinite(values)
    weights = None if part.weights is None else part.weights[rows]
    return bootstrap_mean(values[rows], weights, seed=seed, key=key)


def bootstrap_mean(
    values: NDArray[np.floating[Any]],
    weights: NDArray[np.float64] | None = None,
    *,
    seed: int,
    key: int,
) -> Estimate:
    """Return a mean with the interval of the percentile bootstrap (Efron 1979).

    Computed by `scipy.stats.bootstrap`.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Without values the estimate is missing; one value has no interval.
    weights : numpy.ndarray, shape (n,), float64, optional
        Above 0; values and weights are resampled together.
    seed, key : int
        The random stream of the resamples.

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
    own = np.ones(len(rows)) if weights is None else weights
    interval = bootstrap(
        (rows, own),
        _weighted_mean,
        paired=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=generator_for(seed, Stream.RATE_BOOTSTRAP, key),
    ).confidence_interval
    mean = float(_weighted_mean(rows, own))
    return Estimate(mean, float(interval.low), float(interval.high))


def _weighted_mean(
    values: NDArray[np.float64], weights: NDArray[np.float64], axis: int = -1
) -> NDArray[np.float64]:
    return np.asarray((values * weights).sum(axis=axis) / weights.sum(axis=axis))


CELLS = "cells"
"""Name of the breakdown by cell."""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Rates and gaps by cell, or by the levels of one attribute.

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

    def figure(self) -> Figure:
        """Plot error rates, or shares of predictions without a truth, and abstentions."""
        from equipoise.report.html import worst_first
        from equipoise.report.plots import share_figure

        ordered = worst_first(self.groups, "error")
        series = [("errors", [group.error for group in ordered])]
        if not any(group.error.n for group in ordered):
            series = [
                (f"predicted {of.level}", [group.levels[i].answered for group in ordered])
                for i, of in enumerate(ordered[0].levels)
            ]
        if any(group.abstention.count for group in ordered):
            series.append(("abstentions", [group.abstention for group in ordered]))
        return share_figure(series, "rate, with the exact 95 % interval of each")


def break_down(
    compared: PredictionsVsReference,
    by: AttributeGrid,
    levels: NDArray[np.int8],
    *,
    audited: str = "",
    seed: int = 0,
) -> tuple[Breakdown, ...]:
    """Return rates and gaps by cell and, if there are several attributes, by each of them.

    Parameters
    ----------
    compared : PredictionsVsReference
        On n images.
    by : AttributeGrid
        The A attributes to group by.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels of these attributes.
    audited : str
        The audited attribute. Where groups differ in it, shares of predictions should differ, and
        are not compared.
    seed : int
        Of the bootstrap and the simulated tests, in [0, 2**63).
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
        itself = audited in (by.names if where == CELLS else (where,))
        gaps = (*_rate_gaps(where, rates, seed, itself), *_mean_gaps(where, rates, compared, group))
        found.append(Breakdown(where=where, groups=rates, gaps=gaps))
    return tuple(found)


_OF_LEVELS: tuple[tuple[str, str, bool, Callable[[LevelRates], Share]], ...] = (
    ("false", "rate of false", True, attrgetter("false_positive")),
    ("missed", "rate of missed", True, attrgetter("false_negative")),
    ("answer", "share of predictions", False, attrgetter("answered")),
)
"""Rates of a level that groups are compared by: name, words, whether a gap is a fault, rate."""


def _rate_gaps(
    where: str, rates: Sequence[GroupRates], seed: int, audited: bool
) -> Iterator[NamedGap]:
    """Yield the gaps between rates of one breakdown.

    Errors of two kinds can cancel in the error rate: false and missed levels have gaps of their
    own. Shares of predictions may differ because faces do; they should where groups differ in the
    audited attribute itself.
    """
    every: list[tuple[str, str, bool, list[Share]]] = [
        (f"error_gap:{where}", "error rate", True, [g.error for g in rates]),
        (f"abstention_gap:{where}", "rate of abstention", True, [g.abstention for g in rates]),
    ]
    near = [g.within_one for g in rates if g.within_one is not None]
    if near:
        every.append((f"within_one_gap:{where}", "agreement within one level", True, near))
    if any(g.failure.count for g in rates):
        every.append((f"failure_gap:{where}", "rate of failures", True, [g.failure for g in rates]))
    for own in zip(*(g.levels for g in rates), strict=True):
        level = own[0].level
        every += [
            (f"{kind}_gap:{where}:{level}", f"{what} {level!r}", fault, [rate(one) for one in own])
            for kind, what, fault, rate in _OF_LEVELS
            if not (audited and kind == "answer")
        ]
    for check_id, what, is_fault, shares in every:
        named = gap_of_shares(check_id, what, shares, is_fault=is_fault, seed=seed)
        if named is not None:
            yield named


def _mean_gaps(
    where: str,
    rates: Sequence[GroupRates],
    compared: PredictionsVsReference,
    group: NDArray[np.int64],
) -> Iterator[NamedGap]:
    """Yield the gaps between means of one breakdown; they may differ because faces do.

    Times of responses are divided by their mean, so that a gap is a share of it.
    """
    sure = np.where(compared.answers >= 0, compared.confidence, np.nan)
    every = [("confidence", "mean confidence", sure)]
    if compared.seconds is not None and np.isfinite(compared.seconds).any():
        relative = compared.seconds / np.nanmean(compared.seconds)
        every.append(("seconds", "mean time of a response, relative to that of all", relative))
    for kind, what, values in every:
        named = mean_gap(
            f"{kind}_gap:{where}",
            what,
            [g.name for g in rates],
            values,
            group,
            compared.weights,
            False,
        )
        if named is not None:
            yield named

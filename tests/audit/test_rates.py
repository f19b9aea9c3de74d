from dataclasses import replace

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, count, false_negative_rate, selection_rate
from sklearn.metrics import confusion_matrix

from equipoise.audit.rates import (
    PredictionsVsReference,
    bootstrap_mean,
    break_down,
    group_rates,
)
from equipoise.classifiers.base import FAILED, NO_FACE
from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.stats.intervals import exact_interval
from equipoise.stats.shares import Share


def compared(levels: int, seed: int) -> tuple[PredictionsVsReference, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 900
    truth = rng.integers(-1, levels, n).astype(np.int8)
    answers = np.where(rng.random(n) < 0.7, truth, rng.integers(0, levels, n)).astype(np.int8)
    answers[:50], answers[50:80], answers[80:100] = -1, FAILED, NO_FACE
    confidence = np.where(answers < -1, np.nan, rng.random(n)).astype(np.float32)
    names = tuple("abc"[:levels])
    return PredictionsVsReference(names, answers, truth, confidence), rng.integers(3, size=n)


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_of_the_confusion_matrix(levels: int, seed: int) -> None:
    given, group = compared(levels, seed)
    rows = group_rates(given, ("x", "y", "z"), group)
    assert [row.name for row in rows] == ["x", "y", "z"]
    for k, row in enumerate(rows):
        here = group == k
        truth, answers = given.truth[here], given.answers[here]
        judged = (truth >= 0) & (answers >= 0)
        table = confusion_matrix(truth[judged], answers[judged], labels=range(levels))
        assert row.n == here.sum()
        assert row.failure.count == ((answers == FAILED) | (answers == NO_FACE)).sum()
        assert row.no_face == (answers == NO_FACE).sum()
        assert (row.abstention.count, row.abstention.n) == (
            (answers == -1).sum(),
            row.n - row.failure.count,
        )
        wrong = table.sum() - np.trace(table)
        assert (row.error.count, row.error.n) == (wrong, table.sum())
        interval = exact_interval(int(wrong), int(table.sum()))
        assert (row.error.estimate.low, row.error.estimate.high) == interval
        told = [1] if levels == 2 else range(levels)
        for level, rates in zip(told, row.levels, strict=True):
            missed = table[level].sum() - table[level, level]
            false = table[:, level].sum() - table[level, level]
            assert (rates.false_negative.count, rates.false_negative.n) == (
                missed,
                table[level].sum(),
            )
            assert (rates.false_positive.count, rates.false_positive.n) == (
                false,
                table.sum() - table[level].sum(),
            )
            assert rates.answered.count == (answers == level).sum()
        mean = given.confidence[here & (given.answers >= 0)].mean()
        assert row.confidence.value == pytest.approx(mean, rel=1e-5)
        assert row.confidence.low < mean < row.confidence.high


def test_rates_are_those_of_fairlearn() -> None:
    given, group = compared(2, 4)
    known = (given.truth >= 0) & (given.answers >= 0)
    frame = MetricFrame(
        metrics={"n": count, "missed": false_negative_rate, "chosen": selection_rate},
        y_true=given.truth[known].astype(int),
        y_pred=given.answers[known].astype(int),
        sensitive_features=group[known],
    )
    rows = group_rates(given.take(known), ("x", "y", "z"), group[known])
    for k, row in enumerate(rows):
        theirs = frame.by_group.loc[k]
        assert row.error.n == theirs["n"]
        assert row.levels[0].false_negative.estimate.value == pytest.approx(theirs["missed"])
        assert row.levels[0].answered.estimate.value == pytest.approx(theirs["chosen"])


def test_the_mean_has_the_percentile_bootstraps_interval() -> None:
    """As resampled by hand: 999 means, their quantiles at 2.5 and 97.5 %."""
    values = np.random.default_rng(0).random(400).astype(np.float32)
    found = bootstrap_mean(values, seed=3, key=1)
    rng = np.random.default_rng(9)
    means = [rng.choice(values, 400).mean(dtype=float) for _ in range(9999)]
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.003)
    assert found == bootstrap_mean(values, seed=3, key=1)


def test_groups_without_images_and_truth_are_left_out() -> None:
    given, _ = compared(2, 0)
    blind = PredictionsVsReference(
        given.levels, given.answers, np.full(900, -1, np.int8), given.confidence
    )
    (row,) = group_rates(blind, ("x", "y"), np.ones(900, np.int64))
    assert row.name == "y"
    assert row.error.n == 0
    assert np.isnan(row.error.estimate.value)
    assert np.isnan(row.error_p_value)


def test_one_value_has_no_interval() -> None:
    found = bootstrap_mean(np.float32([0.75]), seed=0, key=0)
    assert found.value == 0.75
    assert np.isnan([found.low, found.high]).all()


def ten_levels(seed: int, chance: float, apart: int) -> tuple[PredictionsVsReference, np.ndarray]:
    """Answers on a scale of ten, each one level off by chance, and in group 2 `apart` off."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 10, 600)
    group = np.repeat([0, 1, 2], 200)
    off = np.where(rng.random(600) < 0.3, 1, 0)
    off[(group == 2) & (rng.random(600) < chance)] = apart
    answers = np.where(truth + off > 9, truth - off, truth + off).astype(np.int8)
    names = tuple(map(str, range(1, 11)))
    sure = np.ones(600, np.float32)
    found = PredictionsVsReference(names, answers, truth.astype(np.int8), sure, ordered=True)
    return found, group


def test_on_an_ordered_scale_answers_next_to_the_truth_are_counted() -> None:
    covered = exact = 0
    for seed in range(200):
        given, group = ten_levels(seed, 0.2, 3)
        near = PredictionsVsReference.take(given, group == 2)
        share = Share.among("x", np.abs(near.answers - near.truth) <= 1, near.known)
        covered += share.low <= 0.8 <= share.high
        exact += (near.answers == near.truth).mean() < 0.8
    assert 0.93 <= covered / 200 <= 0.985
    assert exact == 200
    given, group = ten_levels(0, 0.2, 3)
    rows = group_rates(given, ("x", "y", "z"), group)
    assert [row.within_one.share for row in rows[:2] if row.within_one] == [1.0, 1.0]
    assert rows[2].within_one is not None
    assert rows[2].within_one.share == (np.abs(given.answers - given.truth)[group == 2] <= 1).mean()
    assert all(row.error.share > 0.2 for row in rows)


def test_a_cell_that_is_far_off_is_named_and_without_an_order_nothing_is_near() -> None:
    by = AttributeGrid((Attribute("tone", ("x", "y", "z")),))
    found = false = 0
    for seed in range(4):
        for chance in (0.2, 0.0):
            given, group = ten_levels(seed, chance, 3)
            (part,) = break_down(given, by, group[:, None].astype(np.int8))
            named = {gap.check_id: gap.gap for gap in part.gaps}["within_one_gap:cells"]
            if chance:
                found += named.lowest == "tone=z" and named.p_value < 0.001
            else:
                false += named.p_value < 0.05
    assert (found, false) == (4, 0)
    (part,) = break_down(replace(given, ordered=False), by, group[:, None].astype(np.int8))
    assert part.groups[0].within_one is None
    assert not any(gap.check_id.startswith("within_one") for gap in part.gaps)

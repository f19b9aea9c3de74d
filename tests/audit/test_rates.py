import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, count, false_negative_rate, selection_rate
from sklearn.metrics import confusion_matrix

from equipoise.audit.rates import PredictionsVsReference, bootstrap_mean, group_rates
from equipoise.classifiers.base import FAILED
from equipoise.stats.intervals import exact_interval


def compared(levels: int, seed: int) -> tuple[PredictionsVsReference, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 900
    truth = rng.integers(-1, levels, n).astype(np.int8)
    answers = np.where(rng.random(n) < 0.7, truth, rng.integers(0, levels, n)).astype(np.int8)
    answers[:50], answers[50:80] = -1, FAILED
    confidence = np.where(answers == FAILED, np.nan, rng.random(n)).astype(np.float32)
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
        assert row.failure.count == (answers == FAILED).sum()
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

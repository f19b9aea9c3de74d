import numpy as np
import pytest

from equipoise.stats.distances import self_similarity


def test_one_image_many_times_is_alike_and_opposite_ones_are_not() -> None:
    row = np.array([[1.0, 2.0, -1.0]])
    found = self_similarity(row.repeat(20, axis=0))
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert self_similarity(np.concatenate([row, -row] * 5)).value == pytest.approx(-1 / 9)


def test_equal_to_the_mean_over_pairs() -> None:
    rows, centre = np.random.default_rng(0).random((15, 4)), np.full(4, 0.5)
    units = (rows - centre) / np.linalg.norm(rows - centre, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i in range(15) for j in range(i)]
    assert self_similarity(rows, centre).value == pytest.approx(np.mean(pairs))


def test_a_narrow_set_is_more_alike_than_a_wide_one() -> None:
    rng = np.random.default_rng(0)
    mean = np.ones(8)
    narrow, wide = (self_similarity(mean + s * rng.standard_normal((300, 8))) for s in (0.3, 1))
    assert narrow.low > wide.high


def test_the_interval_covers() -> None:
    """The mean cosine of two normals about (1, 0, ..): the squared norm of the mean direction."""
    rng = np.random.default_rng(10**6)
    rows = rng.standard_normal((400_000, 3)) + np.array([1, 0, 0])
    truth = np.square((rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)).sum()
    found = []
    for seed in range(100):
        rows = np.random.default_rng(seed).standard_normal((80, 3)) + np.array([1, 0, 0])
        found.append(self_similarity(rows, seed=seed))
    assert np.mean([e.low <= truth <= e.high for e in found]) == pytest.approx(0.94, abs=0.06)


def test_a_zero_row_has_no_direction_and_nine_rows_are_too_few() -> None:
    rows = np.array([[1.0, 0]] * 9 + [[0, 0]])
    assert self_similarity(rows).value == pytest.approx(36 / 45)
    assert self_similarity(rows[:9]).note == "9 images, at least 10 are needed"

"""Means, standard deviations and their differences cover what they estimate."""

from collections.abc import Callable

import numpy as np
import pytest

from equipoise.core.estimates import Estimate
from equipoise.stats.means import deviation_estimate, mean_difference, mean_estimate

Draw = Callable[[np.random.Generator, int], np.ndarray]


def _normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=n)


def _flat(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(size=n) * 12**0.5


def _heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.asarray(rng.standard_t(5, size=n) / (5 / 3) ** 0.5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize(("draw", "least"), [(_normal, 0.93), (_flat, 0.93), (_heavy, 0.88)])
def test_intervals_of_standard_deviations_cover(
    draw: Draw, least: float, n: int, weighted: bool
) -> None:
    covered = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        values = draw(rng, n)
        weights = rng.uniform(0.3, 3, n) if weighted else np.ones(n)
        found = deviation_estimate(values, weights)
        covered += found.low <= 1 <= found.high
    assert covered / 1000 >= least - 0.015


def test_a_standard_deviation_is_that_of_the_library() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert deviation_estimate(values, np.ones(50)).value == pytest.approx(values.std(ddof=1))
    few = deviation_estimate(values[:3], np.ones(3))
    assert few.value == pytest.approx(values[:3].std(ddof=1))
    assert np.isnan(few.low)
    assert np.isnan(deviation_estimate(values[:1], np.ones(1)).value)
    assert deviation_estimate(np.ones(9), np.ones(9)).value == 0
    for scale in (0.1, 1 / 7, 1.0):
        five = deviation_estimate(np.arange(6.0), np.array([3, 1, 1, 2, 2, 1]) * scale)
        assert five.low < five.value < five.high


def test_differences_of_means_cover_and_reject_as_often_as_they_may() -> None:
    covered = rejected = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        one, other = rng.normal(3, 2, 30), rng.normal(3, 1, 80)
        found, p_value = mean_difference(
            *(mean_estimate(values, np.ones(len(values))) for values in (one, other))
        )
        covered += found.low <= 0 <= found.high
        rejected += p_value < 0.05
    assert 0.935 <= covered / 1000 <= 0.985
    assert rejected == 1000 - covered
    assert np.isnan(mean_difference(Estimate.missing("none"), Estimate(1.0, 0.0, 2.0))[1])

"""The excess is 0 on average for equal populations, and for others what is planted."""

import numpy as np
import pytest

from equipoise.compare.excess import excess_of_variance


def samples(n: int, count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 12)) for _ in range(count)]


@pytest.mark.parametrize("n", [50, 400])
def test_equal_populations_have_none_on_average_weighted_or_not(n: int) -> None:
    found = []
    for seed in range(40):
        drawn, *own = samples(n, 5, seed)
        weights = np.random.default_rng(seed + 1000).lognormal(0, 0.5, n)
        found.append([excess_of_variance(drawn, w, own) for w in (np.ones(n), weights)])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(40)
    assert (np.abs(mean) < 4 * error + 0.005).all(), mean


@pytest.mark.parametrize(
    ("scale", "shift", "true"),
    [(1.0, 0.5, 0.25), (1.3, 0.0, 0.09), (0.7, 0.0, 0.09)],
)
def test_what_is_planted_is_found(scale: float, shift: float, true: float) -> None:
    """The squared distance of N(shift, scale^2) from N(0, 1), per dimension."""
    found = []
    for seed in range(20):
        drawn, *own = samples(1000, 4, seed)
        found.append(excess_of_variance(scale * drawn + shift, np.ones(1000), own))
    assert np.mean(found) == pytest.approx(true, rel=0.1)


def test_few_images_say_nothing() -> None:
    drawn, *own = samples(29, 4, 0)
    assert np.isnan(excess_of_variance(drawn, np.ones(29), own))
    assert np.isnan(excess_of_variance(drawn[:0], np.ones(0), own))

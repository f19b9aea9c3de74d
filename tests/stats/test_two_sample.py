import numpy as np
import pytest
from scipy.stats import norm

from equipoise.stats.two_sample import distinguished


def test_the_bound_is_near_the_total_variation_where_a_linear_classifier_is_best() -> None:
    """Of N(0, 1) and N(d, 1) the total variation is 2 Phi(d / 2) - 1."""
    truth = 2 * norm.cdf(0.5) - 1
    found, held = [], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        one, other = rng.normal(size=(600, 2)), rng.normal(size=(600, 2)) + np.array([1, 0])
        bound = distinguished(one, other, seed=seed)
        found.append(bound.value)
        held += bound.low <= truth <= bound.high
    assert np.mean(found) == pytest.approx(truth, abs=0.03)
    assert held >= 17


def test_equal_distributions_are_not_distinguished() -> None:
    held = 0
    for seed in range(20):
        one, other = np.random.default_rng(seed).normal(size=(2, 300, 5))
        bound = distinguished(one, other, seed=seed)
        held += bound.low <= 0 <= bound.high
    assert held >= 17


def test_weights_undo_what_acceptance_favoured() -> None:
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        own, candidates = rng.normal(size=(900, 2)), rng.normal(size=(2000, 2))
        accepted = np.maximum(norm.cdf(candidates[:, 0]), 0.02)
        kept = rng.random(len(candidates)) < accepted
        drawn, weights = candidates[kept], 1 / accepted[kept]
        assert distinguished(drawn, own, seed=seed).low > 0.1
        bound = distinguished(drawn, own, weights, seed=seed)
        held += bound.low <= 0 <= bound.high
    assert held >= 17


def test_equal_weights_change_nothing() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 300, 3))
    assert distinguished(one, other, np.full(300, 4.0)) == distinguished(one, other)


def test_few_images_are_not_judged() -> None:
    assert np.isnan(distinguished(np.zeros((49, 2)), np.zeros((90, 2))).value)

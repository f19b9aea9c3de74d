"""Rates over pairs of faces: intervals cover where those that ignore shared faces do not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.stats.intervals import exact_interval
from equipoise.stats.pairs import dependence_of, pair_rate


def faces(rng: np.random.Generator, n: int, shift: float = 2.0) -> NDArray[np.float64]:
    """Return vectors of faces that lie more or less near to a mean face."""
    x = rng.normal(size=(n, 8)) * rng.lognormal(0, 0.4, size=(n, 1))
    x[:, 0] += shift
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "limit"), [(60, 0.75), (200, 0.75), (200, 0.9)])
def test_the_interval_covers_where_a_binomial_one_fails(n: int, limit: float) -> None:
    many = faces(np.random.default_rng(999), 4000)
    truth = float(((many @ many.T)[np.triu_indices(len(many), 1)] >= limit).mean())
    held = naive = 0
    for seed in range(200):
        x = faces(np.random.default_rng(seed), n)
        share = pair_rate("all", x @ x.T >= limit)
        held += share.low <= truth <= share.high
        low, high = exact_interval(share.count, share.n)
        naive += low <= truth <= high
    assert 0.93 <= held / 200 <= 0.995
    assert naive / 200 < 0.8


def test_the_interval_between_two_groups_covers() -> None:
    rng = np.random.default_rng(999)
    truth = float((faces(rng, 4000) @ faces(rng, 4000, 1.0).T >= 0.75).mean())
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        share = pair_rate(
            "both", faces(rng, 80) @ faces(rng, 120, 1.0).T >= 0.75, np.ones(80), np.ones(120)
        )
        held += share.low <= truth <= share.high
    assert held / 200 >= 0.93


def test_weights_undo_what_acceptance_favoured() -> None:
    """Faces near the mean are drawn more often; weighted, the rate is that of all faces."""
    many = faces(np.random.default_rng(999), 4000)
    truth = float(((many @ many.T)[np.triu_indices(len(many), 1)] >= 0.75).mean())
    held = plain = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x = faces(rng, 500)
        accepted = np.clip(0.2 + 0.8 * x[:, 0], 0.05, 1)
        kept = rng.random(500) < accepted
        matches = x[kept] @ x[kept].T >= 0.75
        weighted = pair_rate("all", matches, 1 / accepted[kept])
        held += weighted.low <= truth <= weighted.high
        unweighted = pair_rate("all", matches)
        plain += unweighted.low <= truth <= unweighted.high
    assert held >= 92
    assert plain < 50


def test_equal_weights_change_nothing_and_few_matches_count_disjoint_pairs() -> None:
    x = faces(np.random.default_rng(0), 50)
    matches = x @ x.T >= 0.75
    one, other = pair_rate("a", matches, np.full(50, 3.0)), pair_rate("a", matches)
    assert (one.share, one.effective) == pytest.approx((other.share, other.effective))
    none = pair_rate("a", np.eye(50, dtype=bool))
    assert (none.count, none.n, none.effective) == (0, 1225, 25)
    assert pair_rate("a", np.ones((1, 1), bool)).n == 0


def test_few_matches_take_the_dependence_of_a_larger_sample() -> None:
    """The number of independent pairs is then that of samples of this size, within a third."""
    large = faces(np.random.default_rng(0), 1500)
    overall = pair_rate("all", large @ large.T >= 0.95)
    dependence = dependence_of(overall, len(large))
    held, worth = 0, []
    for seed in range(200):
        x = faces(np.random.default_rng(seed + 1), 40)
        share = pair_rate("cell", x @ x.T >= 0.95, dependence=dependence)
        held += share.low <= overall.share <= share.high
        worth.append(share.effective)
    assert held / 200 >= 0.93
    assert np.median(worth) > 5 * 20

import numpy as np
import pytest

from equipoise.matching import Axes, Matching, match, pooled, principal_axes


def test_pooling_averages_over_space() -> None:
    features = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert pooled(features)[1].tolist() == [13.5, 17.5, 21.5]
    assert pooled(features[:, :, 0, 0]).tolist() == features[:, :, 0, 0].tolist()


def test_axes_whiten() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((5000, 4)) @ np.diag([5.0, 1, 0.1, 0]) + 3
    axes = principal_axes(features, np.ones(5000))
    places = axes.place(features)
    assert places.shape == (5000, 3), "an axis without variance is left out"
    assert np.allclose(np.cov(places.T, bias=True), np.eye(3), atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_matched_draws_have_the_means_of_the_ideal(seed: int) -> None:
    """Leaky requests that favour one side of a feature, and an ideal that does not."""
    rng = np.random.default_rng(seed)
    n = 20_000
    cells = (rng.random(n) < 0.2).astype(int)
    places = rng.standard_normal((n, 2)) + 0.5 * cells[:, None]
    one_hot = np.eye(2)[cells]
    accepted = np.where(one_hot > 0, 0.8, 0.2) * np.exp(0.7 * places[:, :1])
    target = np.array([0.5, 0.5])
    ideal = (one_hot / one_hot.sum(axis=0)) @ target
    found = match(places, accepted, one_hot, target, ideal)

    def distance(slope: np.ndarray) -> float:
        from equipoise.calibrate import solve_weights

        tilted = accepted * np.exp(places @ slope)[:, None]
        tilted /= tilted.sum(axis=0)
        weights = tilted @ solve_weights(tilted.T @ one_hot, target)
        return float(np.abs(weights @ places - ideal @ places).max())

    assert distance(np.zeros(2)) > 0.3
    assert distance(found.slope) < 0.02


def test_a_match_that_is_there_already_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    places = rng.standard_normal((4000, 3))
    one_hot = np.eye(2)[rng.integers(2, size=4000)]
    ideal = (one_hot / one_hot.sum(axis=0)) @ [0.5, 0.5]
    found = match(places, one_hot * 1.0, one_hot, np.array([0.5, 0.5]), ideal)
    assert np.abs(found.slope).max() < 1e-3


def test_the_factor_is_at_most_one_and_as_told() -> None:
    axes = Axes(np.array([1.0, 2.0]), np.eye(2))
    factor = axes.factor(np.array([0.5, 0.0]), 0.25)
    features = np.array([[1.0, 9.0], [1.5, 9.0], [4.0, 0.0]], np.float32)
    assert factor.log_factor(features) == pytest.approx([-0.25, 0.0, 0.0])
    assert (Matching.none(2).log_factor(features) == 0).all()

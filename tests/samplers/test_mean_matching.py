import numpy as np
import pytest

from equipoise.samplers.mean_matching import (
    MeanMatchingFactor,
    WhitenedPCA,
    entropy_balance,
    factors,
    pooled,
    principal_axes,
)
from equipoise.stats.simplex import solve_weights


def test_pooling_averages_over_space() -> None:
    features = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert pooled(features)[1].tolist() == [13.5, 17.5, 21.5]
    assert pooled(features[:, :, 0, 0]).tolist() == features[:, :, 0, 0].tolist()


def test_axes_whiten() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((5000, 4)) @ np.diag([5.0, 1, 0.1, 0]) + 3
    axes = principal_axes(features, np.ones(5000))
    coordinates = axes.coordinates_of(features)
    assert coordinates.shape == (5000, 3), "an axis without variance is left out"
    assert np.allclose(np.cov(coordinates.T, bias=True), np.eye(3), atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_matched_draws_have_the_means_of_the_ideal(seed: int) -> None:
    """Leaky requests that favour one side of a feature, and an ideal that does not."""
    rng = np.random.default_rng(seed)
    n = 20_000
    cells = (rng.random(n) < 0.2).astype(int)
    coordinates = rng.standard_normal((n, 2)) + 0.5 * cells[:, None]
    one_hot = np.eye(2)[cells]
    accepted = np.where(one_hot > 0, 0.8, 0.2) * np.exp(0.7 * coordinates[:, :1])
    target = np.array([0.5, 0.5])
    ideal = (one_hot / one_hot.sum(axis=0)) @ target

    def shares(coefficients: np.ndarray, log_clip: np.ndarray | None) -> np.ndarray:
        tilted = accepted * factors(coordinates, coefficients, log_clip)
        return solve_weights((tilted / tilted.sum(axis=0)).T @ one_hot, target)

    def distance(coefficients: np.ndarray, log_clip: np.ndarray | None) -> float:
        tilted = accepted * factors(coordinates, coefficients, log_clip)
        weights = (tilted / tilted.sum(axis=0)) @ shares(coefficients, log_clip)
        return float(np.abs(weights @ coordinates - ideal @ coordinates).max())

    found = entropy_balance(coordinates, accepted, shares, ideal @ coordinates)
    assert distance(np.zeros(2), None) > 0.3
    assert distance(found.coefficients, found.log_clip) < 0.1


def test_a_match_that_is_there_already_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    coordinates = rng.standard_normal((4000, 3))
    one_hot = np.eye(2)[rng.integers(2, size=4000)]
    ideal = (one_hot / one_hot.sum(axis=0)) @ [0.5, 0.5]
    half = np.array([0.5, 0.5])
    found = entropy_balance(
        coordinates, one_hot * 1.0, lambda coefficients, log_clip: half, ideal @ coordinates
    )
    assert np.abs(found.coefficients).max() < 1e-3


def test_factors_are_at_most_one_and_cut_where_each_cell_is_told() -> None:
    axes = WhitenedPCA(np.array([1.0, 2.0]), np.eye(2))
    factors = axes.factors(np.array([0.5, 0.0]), np.array([0.25, 1.0]))
    features = np.array([[1.0, 9.0], [1.5, 9.0], [4.0, 0.0]], np.float32)
    expected = np.array([[-0.25, -1.0], [0.0, -0.75], [0.0, 0.0]])
    assert factors.log_factors(features) == pytest.approx(expected)
    assert (MeanMatchingFactor.none(2, 3).log_factors(features) == np.zeros((3, 3))).all()


def test_a_cell_whose_codes_have_small_factors_is_not_refused_for_it() -> None:
    """Both requests accept the same share of what they would without, wherever their codes lie."""
    rng = np.random.default_rng(0)
    cells = (rng.random(20_000) < 0.5).astype(int)
    coordinates = rng.standard_normal((20_000, 1)) + 3 * cells[:, None]
    one_hot = np.eye(2)[cells]
    ideal = one_hot[:, 0] / one_hot[:, 0].sum() * 0.5 + one_hot[:, 1] / one_hot[:, 1].sum() * 0.5
    accepted = one_hot * np.exp(-0.5 * coordinates)
    half = np.array([0.5, 0.5])
    found = entropy_balance(
        coordinates, accepted, lambda coefficients, log_clip: half, ideal @ coordinates
    )
    kept = accepted * factors(coordinates, found.coefficients, found.log_clip)
    shares = kept.sum(axis=0) / accepted.sum(axis=0)
    assert shares.min() > 0.5
    assert shares[0] == pytest.approx(shares[1], rel=0.1)

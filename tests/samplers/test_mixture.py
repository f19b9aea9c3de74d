import numpy as np
import pytest
from scipy.stats import multivariate_normal

from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.samplers.mixture import Mixture, fit_mixture

TWO = Mixture(
    np.array([0.25, 0.75]),
    np.array([[-4.0, 0.0], [4.0, 1.0]]),
    np.array([[[1.0, 0.5], [0.5, 1.0]], [[0.5, 0.0], [0.0, 2.0]]]),
)


@pytest.mark.parametrize("seed", range(5))
def test_samples_have_the_moments_of_the_mixture(seed: int) -> None:
    codes = TWO.sample(40_000, np.random.default_rng(seed)).astype(np.float64)
    right = codes[:, 0] > 0
    assert right.mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 40_000))
    for component, rows in ((0, ~right), (1, right)):
        assert np.allclose(codes[rows].mean(axis=0), TWO.means[component], atol=0.06)
        assert np.allclose(np.cov(codes[rows].T), TWO.covariances[component], atol=0.08)


def test_samples_are_shuffled_and_a_generator_moves_on() -> None:
    rng = np.random.default_rng(0)
    codes = TWO.sample(2000, rng)
    assert (codes[:200, 0] > 0).mean() == pytest.approx(0.75, abs=0.13)
    assert not np.array_equal(codes, TWO.sample(2000, rng))


def test_log_density_is_that_of_scipy() -> None:
    points = np.random.default_rng(0).normal(0, 4, (100, 2)).astype(np.float32)
    density = sum(
        w * multivariate_normal(m, c).pdf(points)
        for w, m, c in zip(TWO.weights, TWO.means, TWO.covariances, strict=True)
    )
    assert np.allclose(TWO.log_density(points), np.log(density), rtol=1e-5)


def test_bic_finds_the_number_of_components() -> None:
    codes = TWO.sample(4000, np.random.default_rng(0))
    assert len(fit_mixture(codes, "bic").weights) == 2
    one = np.random.default_rng(0).standard_normal((4000, 5)).astype(np.float32)
    assert len(fit_mixture(one, "bic").weights) == 1


def test_codes_of_lower_rank_are_regularised() -> None:
    """The shift leaves no variance along the normals."""
    codes = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)
    codes[:, 0] = 3.0
    mixture = fit_mixture(codes, 1, regularisation=1e-4)
    drawn = mixture.sample(2000, np.random.default_rng(1))
    assert np.isfinite(mixture.log_density(codes)).all()
    assert drawn[:, 0].mean() == pytest.approx(3.0, abs=0.01)
    assert drawn[:, 0].std() == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("components", [0, -1, 2.0, "aic"])
def test_bad_components_are_named(components: object) -> None:
    with pytest.raises(InputError, match=f"components must be .* got {components}"):
        fit_mixture(np.zeros((10, 2), np.float32), components)  # type: ignore[arg-type]


def test_too_few_codes_are_named() -> None:
    with pytest.raises(InsufficientLabelsError, match="needs at least 4 codes, got 3"):
        fit_mixture(np.zeros((3, 2), np.float32), 4)

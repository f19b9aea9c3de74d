import numpy as np
import pytest

from equipoise.distances import frechet_distance, moments


@pytest.mark.parametrize("seed", range(5))
def test_between_a_gaussian_and_its_affine_image(seed: int) -> None:
    """Scaling by s and shifting by m: |m|^2 + (1 - s)^2 tr(S) for commuting covariances."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((5, 5))
    covariance, shift = root @ root.T, rng.standard_normal(5)
    found = frechet_distance((np.zeros(5), covariance), (shift, 4 * covariance))
    assert found == pytest.approx(shift @ shift + np.trace(covariance), rel=1e-6)


def test_equal_moments_have_distance_zero_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    one, other = moments(rng.random((200, 4))), moments(rng.random((300, 4)) * 2)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one))


def test_weights_are_repetitions() -> None:
    rows = np.random.default_rng(0).random((10, 3))
    counts = np.arange(10)
    for one, other in zip(moments(rows, counts), moments(rows.repeat(counts, axis=0)), strict=True):
        assert np.allclose(one, other)

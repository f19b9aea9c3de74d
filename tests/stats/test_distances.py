import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from equipoise.stats.distances import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    moments,
)

Rows = NDArray[np.float64]


def pair(seed: int, n: int, dim: int, *, equal: bool = False) -> tuple[Rows, Rows]:
    """Two samples of normals with falling variances; `frechet_truth` is between them."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(np.arange(1, dim + 1))
    one, other = rng.standard_normal((2, n, dim)) * scale
    return one, other if equal else other * 1.2 + 0.1


def frechet_truth(dim: int) -> float:
    return float(dim * 0.1**2 + 0.2**2 * (1 / np.arange(1, dim + 1)).sum())


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


def test_singular_covariances_are_no_trouble() -> None:
    """Fewer rows than features: the distance of a set to itself is still nothing."""
    rows = np.random.default_rng(0).standard_normal((20, 60))
    assert frechet_distance(moments(rows), moments(rows)) == pytest.approx(0, abs=1e-5)


def test_weights_are_repetitions() -> None:
    rows = np.random.default_rng(0).random((10, 3))
    counts = np.arange(10)
    for one, other in zip(moments(rows, counts), moments(rows.repeat(counts, axis=0)), strict=True):
        assert np.allclose(one, other)


def test_frechet_equals_the_formula_with_a_matrix_root() -> None:
    """As FID is defined, with np.cov and scipy's general matrix root."""
    one, other = pair(0, 200, 12)
    s1, s2 = np.cov(one.T), np.cov(other.T)
    gap = np.square(one.mean(0) - other.mean(0)).sum()
    expected = gap + np.trace(s1 + s2 - 2 * np.asarray(sqrtm(s1 @ s2)).real)
    found = frechet_distance(moments(one, ddof=1), moments(other, ddof=1))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "dim"), [(200, 40), (100, 40)])
def test_the_extrapolated_distance_is_nearer_to_the_truth(n: int, dim: int) -> None:
    """With three parts, and with two."""
    plain, extrapolated, held = [], [], []
    for seed in range(20):
        one, other = pair(seed, n, dim)
        plain.append(frechet_distance(moments(one, ddof=1), moments(other, ddof=1)))
        found = frechet_extrapolated(one, other)
        extrapolated.append(found.value)
        held.append(found.low <= frechet_truth(dim) <= found.high)
    truth = frechet_truth(dim)
    errors = np.abs(np.array(plain) - truth), np.abs(np.array(extrapolated) - truth)
    assert (errors[1] < errors[0]).mean() > 0.9
    assert abs(np.mean(extrapolated) - truth) < 0.15 * (np.mean(plain) - truth)
    assert np.mean(held) > 0.85


def test_the_extrapolated_distance_of_equal_distributions_is_zero() -> None:
    found = [frechet_extrapolated(*pair(seed, 200, 20, equal=True)) for seed in range(20)]
    values = [estimate.value for estimate in found]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values)) + 0.01
    assert np.mean([estimate.low <= 0 <= estimate.high for estimate in found]) > 0.85


def test_too_few_to_extrapolate_is_told_with_the_number_needed() -> None:
    found = frechet_extrapolated(*pair(0, 50, 40))
    assert np.isnan(found.value)
    assert found.note == "50 images, at least 82 are needed to extrapolate 40 features"


def slow_kernel_distance(one: Rows, other: Rows) -> float:
    def kernel(x: Rows, y: Rows) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def within(rows: Rows) -> float:
        own = range(len(rows))
        return float(np.mean([kernel(rows[i], rows[j]) for i in own for j in own if i != j]))

    return (
        within(one) + within(other) - 2 * float(np.mean([kernel(x, y) for x in one for y in other]))
    )


def test_kernel_distance_equals_its_sums_and_their_jackknife() -> None:
    one, other = pair(0, 12, 4)
    other = other[:9]
    found = kernel_distance(one, other)
    assert found.value == pytest.approx(slow_kernel_distance(one, other))
    squares = 0.0
    for rows, left_out in (
        (one, [slow_kernel_distance(np.delete(one, i, 0), other) for i in range(12)]),
        (other, [slow_kernel_distance(one, np.delete(other, i, 0)) for i in range(9)]),
    ):
        squares += (len(rows) - 1) * np.var(left_out)
    assert found.high - found.value == pytest.approx(2.306004 * np.sqrt(squares))  # t, 8 degrees


def test_kernel_distance_is_zero_on_average_for_equal_distributions_and_its_interval_covers() -> (
    None
):
    found = [kernel_distance(*pair(seed, 60, 10, equal=True)) for seed in range(200)]
    values = [estimate.value for estimate in found]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert np.mean([estimate.low <= 0 <= estimate.high for estimate in found]) > 0.93


def test_the_interval_of_the_kernel_distance_covers_a_true_distance() -> None:
    """The truth of one large sample, whose own error is far under the interval's."""
    truth = kernel_distance(*pair(10**6, 6000, 10)).value
    found = [kernel_distance(*pair(seed, 100, 10)) for seed in range(200)]
    assert np.mean([e.low <= truth <= e.high for e in found]) == pytest.approx(0.95, abs=0.05)


def test_kernel_distance_does_not_depend_on_n_where_the_frechet_distance_does() -> None:
    small = np.mean([kernel_distance(*pair(seed, 50, 10)).value for seed in range(200)])
    large = np.mean([kernel_distance(*pair(seed, 400, 10)).value for seed in range(50)])
    assert small == pytest.approx(large, rel=0.15)


def test_two_images_have_no_kernel_distance() -> None:
    assert kernel_distance(np.zeros((2, 3)), np.zeros((9, 3))).note == (
        "2 images, at least 3 are needed"
    )

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.stats.precision_recall import (
    coverage,
    density,
    expected_coverage,
    in_knn_balls,
    knn_radii,
    precision,
    recall,
)

MEASURES = (precision, recall, density, coverage)


def two_clusters(rng: np.random.Generator, first: int, second: int) -> NDArray[np.float64]:
    near, far = rng.standard_normal((first, 2)), rng.standard_normal((second, 2)) + 50
    return np.concatenate([near, far])


def test_a_set_reaches_itself_and_nothing_far() -> None:
    rows = np.random.default_rng(0).standard_normal((1500, 3))
    assert precision(rows, rows) == recall(rows, rows) == coverage(rows, rows) == 1
    assert [measure(rows + 100, rows) for measure in MEASURES] == [0] * 4


@pytest.mark.parametrize("seed", range(3))
def test_a_dropped_mode_costs_recall_and_coverage_and_not_precision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, drawn = two_clusters(rng, 300, 300), two_clusters(rng, 600, 0)
    assert recall(drawn, reference) == pytest.approx(0.5, abs=0.04)
    assert coverage(drawn, reference) == pytest.approx(0.5, abs=0.03)
    assert precision(drawn, reference) > 0.9
    assert density(drawn, reference) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_an_invented_mode_costs_precision_and_density_and_not_recall(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, drawn = two_clusters(rng, 600, 0), two_clusters(rng, 300, 300)
    assert precision(drawn, reference) == pytest.approx(0.5, abs=0.04)
    assert density(drawn, reference) == pytest.approx(0.5, abs=0.1)
    assert recall(drawn, reference) > 0.9


def test_precision_and_recall_swap_with_the_sets() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((200, 4)), rng.standard_normal((300, 4)) * 1.5
    assert precision(one, other) == recall(other, one)
    assert precision(one, other) != recall(one, other)


def test_equal_distributions_have_density_one_and_the_expected_coverage() -> None:
    """Over seeds, at unequal sizes: lemma 2 of Naeem et al. holds for any distribution."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drawn, reference = rng.standard_normal((40, 6)), rng.standard_normal((60, 6))
        found.append((density(drawn, reference), coverage(drawn, reference)))
    density_mean, coverage_mean = np.mean(found, axis=0)
    errors = np.std(found, axis=0) / np.sqrt(len(found))
    assert abs(density_mean - 1) < 4 * errors[0]
    assert abs(coverage_mean - expected_coverage(40, 60)) < 4 * errors[1]


def slow(drawn: NDArray[np.float64], reference: NDArray[np.float64]) -> list[float]:
    """Follow the papers' equations pair by pair."""

    def radius(rows: NDArray[np.float64], i: int, k: int) -> float:
        return float(sorted(np.linalg.norm(rows - rows[i], axis=1))[k])

    def inside(points: NDArray[np.float64], rows: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
        radii = [radius(rows, i, k) for i in range(len(rows))]
        gaps = [[np.linalg.norm(p - row) for row in rows] for p in points]
        return np.array(gaps) <= np.array(radii)

    return [
        inside(drawn, reference, 3).any(axis=1).mean(),
        inside(reference, drawn, 3).any(axis=1).mean(),
        inside(drawn, reference, 5).sum() / (5 * len(drawn)),
        inside(drawn, reference, 5).any(axis=0).mean(),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_equations_pair_by_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn, reference = rng.standard_normal((50, 3)) * 1.3, rng.standard_normal((70, 3))
    assert [m(drawn, reference) for m in MEASURES] == pytest.approx(slow(drawn, reference))


def test_blocks_do_not_change_the_answer() -> None:
    rng = np.random.default_rng(0)
    points, centres = rng.standard_normal((1030, 3)), rng.standard_normal((40, 3))
    reach = knn_radii(centres, 5)
    whole = in_knn_balls(points, centres, reach)
    assert whole.balls[1024:].tolist() == in_knn_balls(points[1024:], centres, reach).balls.tolist()
    assert knn_radii(points, 3)[-1] == pytest.approx(
        np.sort(np.square(points - points[-1]).sum(axis=1))[3]
    )


def test_sets_too_small_have_none() -> None:
    for measure in (density, coverage):
        assert np.isnan(measure(np.zeros((10, 2)), np.zeros((5, 2))))
        assert np.isnan(measure(np.zeros((0, 2)), np.zeros((10, 2))))
    assert np.isnan(precision(np.zeros((10, 2)), np.zeros((3, 2))))
    assert np.isnan(recall(np.zeros((3, 2)), np.zeros((10, 2))))

import numpy as np
import pytest

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.targets import Target
from equipoise.methods.calibration import calibrate_counts
from equipoise.stats.simplex import solve_weights

GROUPS = AttributeGrid(
    (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "mid", "light")))
)
UNIFORM = Target.uniform(GROUPS)


def random_confusion(rng: np.random.Generator, purity: float = 0.7) -> np.ndarray:
    rest = rng.dirichlet(np.ones(6), 6)
    return purity * np.eye(6) + (1 - purity) * rest


@pytest.mark.parametrize("seed", range(20))
def test_weights_are_a_distribution_that_brings_the_target(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confusion, target = random_confusion(rng), rng.dirichlet(np.full(6, 20))
    weights = solve_weights(confusion, target)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    assert np.allclose(weights @ confusion, target, atol=1e-6)


@pytest.mark.parametrize("purity", [0.6, 0.9])
def test_the_interval_covers_the_true_shares_at_its_level(purity: float) -> None:
    """Weights are fitted to the very counts that the interval comes from, over 200 seeds."""
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = random_confusion(rng, purity)
        counts = np.zeros((6, 7), np.int64)
        counts[:, :6] = [rng.multinomial(500, row) for row in truth]
        found = calibrate_counts(counts, UNIFORM, seed)
        achieved = found.weights @ truth
        covered.append((found.low <= achieved) & (achieved <= found.high))
    assert 0.93 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("known", [0.9, 0.5])
def test_the_interval_covers_where_classifiers_abstain(known: float) -> None:
    """Each request stays unknown at a rate of its own, which weights divide by."""
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = random_confusion(rng, 0.9)
        rates = rng.uniform(known - 0.1, known + 0.1, 6)
        rows = np.column_stack([truth * rates[:, None], 1 - rates])
        counts = np.array([rng.multinomial(1000, row) for row in rows])
        found = calibrate_counts(counts, UNIFORM, seed)
        achieved = found.weights @ (truth * rates[:, None])
        achieved /= achieved.sum()
        covered.append((found.low <= achieved) & (achieved <= found.high))
    assert 0.93 <= np.mean(covered) <= 0.98


def test_a_wanted_cell_that_was_never_requested_is_named() -> None:
    counts = np.zeros((6, 7), np.int64)
    np.fill_diagonal(counts, 3)
    counts[4] = 0
    with pytest.raises(InsufficientLabelsError, match="tone=mid' must be requested"):
        calibrate_counts(counts, UNIFORM)


def test_a_target_out_of_reach_is_told_with_its_distance() -> None:
    counts = np.zeros((6, 7), np.int64)
    counts[:, :6] = 50
    np.fill_diagonal(counts, 550)
    target = Target(GROUPS, np.array([1.0, 0, 0, 0, 0, 0]))
    counts[1:] = 0
    found = calibrate_counts(counts, target)
    assert not found.reachable
    assert found.distance == pytest.approx(250 / 800, abs=1e-6)
    assert found.weights.tolist() == [1, 0, 0, 0, 0, 0]
    assert np.isnan(found.purity[1:]).all()


def test_unknown_images_cost_calls_and_count_in_no_share() -> None:
    counts = np.zeros((6, 7), np.int64)
    np.fill_diagonal(counts, 1000)
    counts[0, 6] = 1000
    found = calibrate_counts(counts, UNIFORM)
    assert np.allclose(found.expected, 1 / 6)
    assert found.weights[0] == pytest.approx(2 * found.weights[1])
    assert found.purity[0] == 0.5
    assert found.calls_per_verified_image == pytest.approx((2 + 5) / 6)


def test_a_cell_of_unknown_images_alone_is_named() -> None:
    counts = np.zeros((6, 7), np.int64)
    np.fill_diagonal(counts, 10)
    counts[2] = [0, 0, 0, 0, 0, 0, 10]
    with pytest.raises(
        InsufficientLabelsError, match="'smiling=no, tone=light' must give some known image"
    ):
        calibrate_counts(counts, UNIFORM)


def test_a_leak_into_a_forbidden_cell_does_not_starve_its_neighbour() -> None:
    """Cell 2 is forbidden and gets 4 % of what is asked of cell 1: the others keep their shares."""
    weights = solve_weights([[0.95, 0.05, 0.0], [0.06, 0.9, 0.04]], [0.5, 0.5, 0.0])
    assert np.abs(weights - 0.5).max() < 0.06


def test_a_cell_that_never_came_out_does_not_take_all_requests() -> None:
    grid = AttributeGrid((Attribute("hat", ("no", "yes", "two")),))
    counts = np.array([[500, 500, 0, 0], [400, 600, 0, 0], [500, 500, 0, 0]])
    found = calibrate_counts(counts, Target.uniform(grid))
    assert not found.reachable and found.weights[2] < 0.2
    assert found.expected[:2] == pytest.approx([0.5, 0.5], abs=0.05)

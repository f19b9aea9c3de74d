import numpy as np
import pytest
from scipy.stats import binom

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.labelling.draws import LabelledDraws
from equipoise.measure.representation import (
    divergence,
    noise_floor,
    represent,
    summarise_confusion,
)
from equipoise.stats.intervals import exact_interval, simultaneous_intervals

GROUPS = AttributeGrid((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
UNIFORM = Target.uniform(GROUPS)


def labels_of(levels: list[list[int]]) -> Labels:
    array = np.array(levels, np.int8).reshape(-1, 2)
    ones = np.ones((len(array), 2), np.float32)
    return Labels(GROUPS, array, (ones, ones), ones)


@pytest.mark.parametrize("n", [1, 12, 200])
def test_the_interval_covers_at_least_at_its_level_for_every_share(n: int) -> None:
    """Coverage is summed over all counts, so there is no noise in it."""
    low, high = np.array([exact_interval(count, n) for count in range(n + 1)]).T
    for share in np.concatenate([[0, 1], np.linspace(0.001, 0.999, 400)]):
        inside = (low <= share) & (share <= high)
        assert binom.pmf(np.arange(n + 1), n, share)[inside].sum() >= 0.95 - 1e-9


@pytest.mark.parametrize(
    ("target", "n"), [([0.4, 0.3, 0.2, 0.1], 500), ([0.99, *[0.01 / 19] * 19], 50)]
)
def test_kl_of_a_perfect_sampler_is_its_floor_on_average(target: list[float], n: int) -> None:
    """Rare cells included, where (K - 1) / (2 n) would be five times too large."""
    target = np.array(target)
    counts = np.random.default_rng(0).multinomial(n, target, 4000)
    found = np.mean([divergence(c / n, target) for c in counts])
    assert found == pytest.approx(noise_floor(target, n), rel=0.06)


def test_kl_is_that_of_the_definition() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.5, 0.25])
    assert divergence(p, q) == pytest.approx(0.5 * np.log(2))
    assert divergence([1.0, 0.0], [0.0, 1.0]) == np.inf


def test_shares_count_unknown_apart() -> None:
    labels = labels_of([[0, 0], [0, 0], [1, 1], [-1, 1], [0, -1]])
    found = represent(labels, Target.uniform(GROUPS))
    assert (found.n, found.unknown) == (5, 2)
    assert [s.count for s in found.cells] == [2, 0, 0, 1]
    assert [s.n for s in found.cells] == [3] * 4
    smiling, tone = found.attributes
    assert [(s.name, s.count, s.n) for s in smiling] == [
        ("smiling=no", 3, 4),
        ("smiling=yes", 1, 4),
    ]
    assert [s.count for s in tone] == [2, 2]
    assert sum(s.share for s in found.cells) == pytest.approx(1)
    assert [s.target for s in tone] == [0.5, 0.5]


def test_all_unknown_is_not_applicable() -> None:
    found = represent(labels_of([[-1, 0]] * 3), Target.uniform(GROUPS))
    assert found.unknown == 3
    assert found.kl is None
    assert found.kl_floor is None
    assert np.isnan(found.cells[0].share)


def test_one_image_has_wide_intervals() -> None:
    found = represent(labels_of([[1, 1]]), Target.uniform(GROUPS))
    assert found.cells[3].low < 0.25
    assert found.cells[3].high == pytest.approx(1)
    assert found.cells[0].low == pytest.approx(0)
    assert found.cells[0].high > 0.75


def test_a_forbidden_cell_makes_kl_infinite_and_the_floor_counts_cells_of_positive_target() -> None:
    target = Target(GROUPS, np.array([1.0, 1, 0, 0]))
    assert represent(labels_of([[1, 1], [0, 0]]), target).kl == np.inf
    found = represent(labels_of([[0, 0]] * 1000), target)
    assert found.kl_floor == pytest.approx(1 / 2000, rel=0.01)


def test_distances_from_the_target_are_those_of_their_definitions() -> None:
    found = represent(labels_of([[0, 0]] * 50 + [[0, 1]] * 30 + [[1, 0]] * 20), UNIFORM)
    assert found.total_variation == pytest.approx((0.25 + 0.05 + 0.05 + 0.25) / 2)
    assert found.l2 == pytest.approx(np.sqrt(0.25**2 + 0.05**2 + 0.05**2 + 0.25**2))
    assert found.ratio == np.inf, "a cell without images counts"
    assert found.verdict.outcome == "misses"
    even = represent(labels_of([[0, 0], [0, 1], [1, 0], [1, 1]] * 2000), UNIFORM)
    assert (even.ratio, even.l2, even.kl_corrected) == (1, 0, 0)
    assert even.verdict.outcome == "meets"


@pytest.mark.parametrize("seed", range(3))
def test_kl_less_its_floor_has_hardly_any_bias_far_from_the_target(seed: int) -> None:
    truth = np.array([0.4, 0.3, 0.2, 0.1])
    rng = np.random.default_rng(seed)
    plain, corrected = [], []
    for counts in rng.multinomial(60, truth, 1000):
        plain.append(divergence(counts / 60, UNIFORM.shares))
        corrected.append(max(plain[-1] - noise_floor(UNIFORM.shares, 60), 0))
    exact = divergence(truth, UNIFORM.shares)
    assert abs(np.mean(corrected) - exact) < abs(np.mean(plain) - exact) / 3


def test_shares_of_a_whole_have_joint_intervals() -> None:
    found = represent(labels_of([[0, 0]] * 60 + [[1, 1]] * 40))
    low, high = simultaneous_intervals([60, 0, 0, 40])
    assert [share.joint for share in found.cells] == list(zip(low, high, strict=True))


@pytest.mark.parametrize("tolerance", [0.0, 1.0, float("nan")])
def test_a_bad_tolerance_is_named(tolerance: float) -> None:
    with pytest.raises(InputError, match=f"tolerance must be in .0, 1., got {tolerance}"):
        represent(labels_of([[0, 0]]), UNIFORM, tolerance)


def test_a_target_over_other_cells_is_refused() -> None:
    other = Target.uniform(AttributeGrid((GROUPS.attributes[0],)))
    with pytest.raises(InputError, match="must have the cells of smiling x tone, got smiling"):
        represent(labels_of([[0, 0]]), other)


def test_confusion_counts_every_draw_once() -> None:
    labels = labels_of(np.vstack([GROUPS.levels, [[-1, -1]]])[[0, 1, 1, 4, 3]])
    drawn = LabelledDraws(labels, np.array([0, 0, 1, 3, 3]))
    confusion = summarise_confusion(GROUPS, drawn.confusion)
    assert confusion.counts.sum() == 5
    assert confusion.counts[3].tolist() == [0, 0, 0, 1, 1]
    assert [s.share for s in confusion.purity[:2]] == [0.5, 1.0]
    assert np.isnan(confusion.purity[2].share)

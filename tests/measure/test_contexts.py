"""The mix within every context: numbers, intervals that cover, and odd input."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.context_targets import ContextTargets
from equipoise.core.errors import InputError
from equipoise.core.labels import Labels
from equipoise.core.targets import Target
from equipoise.measure.contexts import deviation_ratio, measure_contexts
from equipoise.stats.intervals import intervals_of_sets

TWO = AttributeGrid((Attribute("gender", ("female", "male")),))
SIX = AttributeGrid((Attribute("a", ("x", "y")), Attribute("b", ("u", "v", "w"))))


def labels_of(grid: AttributeGrid, cells: Sequence[int] | NDArray[np.int64]) -> Labels:
    """Return labels of given cells; -1 is unknown."""
    numbers = np.asarray(cells, np.int64)
    levels = np.where(numbers[:, None] < 0, -1, grid.levels[numbers]).astype(np.int8)
    sure = tuple(np.zeros((len(levels), size), np.float32) for size in grid.shape)
    return Labels(grid, levels, sure, np.full(levels.shape, np.nan, np.float32))


def of_counts(grid: AttributeGrid, counts: NDArray[np.int64]) -> tuple[Labels, list[str]]:
    cells = np.concatenate([np.repeat(np.arange(grid.size), row) for row in counts])
    return labels_of(grid, cells), [
        f"context {c}" for c, row in enumerate(counts) for _ in range(row.sum())
    ]


def test_a_pool_hides_what_contexts_show() -> None:
    labels, contexts = of_counts(TWO, np.array([[90, 10], [10, 90], [50, 50]]))
    found = measure_contexts(labels, contexts)
    assert found.pooled.kl == pytest.approx(0, abs=1e-12)
    assert found.pooled_deviation.value == pytest.approx(0, abs=1e-12)
    assert [mix.name for mix in found.contexts] == ["context 0", "context 1", "context 2"]
    assert found.contexts[0].counts == (90, 10)
    assert found.contexts[0].deviation.value == pytest.approx(0.8)
    assert found.contexts[0].farthest == "gender=female"
    assert found.mean.value == pytest.approx((0.8 + 0.8 + 0) / 3)
    assert [mix.verdict for mix in found.contexts] == ["misses", "misses", "undecided"]
    assert found.with_verdict("misses") == 2
    assert "hides" in found.warning


def test_the_worst_is_first_and_the_decile_is_of_contexts() -> None:
    counts = np.array([[50 + i, 50 - i] for i in range(0, 50, 5)])
    found = measure_contexts(*of_counts(TWO, counts))
    values = [mix.deviation.value for mix in found.contexts]
    assert values == sorted(values, reverse=True)
    assert found.worst_decile.value == pytest.approx(np.quantile(values, 0.9))
    assert found.worst_decile.low < found.worst_decile.value < found.worst_decile.high


def test_the_deviation_ratio_reaches_1_for_any_target() -> None:
    for target in ([0.5, 0.5], [0.2, 0.3, 0.5], [1.0, 0.0]):
        worst = np.eye(len(target))[np.argmin(target)]
        assert deviation_ratio(worst, target) == 1
        assert deviation_ratio(target, target) == 0


@pytest.mark.parametrize(("cells", "n"), [(6, 250), (2, 250)])
def test_intervals_of_40_contexts_cover_together(cells: int, n: int) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(cells, 2.0), 40)
    covered = 0
    for _ in range(400):
        low, high = intervals_of_sets(rng.multinomial(n, shares))
        covered += bool(((low <= shares) & (shares <= high)).all())
    assert 0.93 <= covered / 400 <= 0.985


@pytest.mark.parametrize("n", [4, 250])
def test_the_interval_of_the_mean_covers(n: int) -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(6, 3.0), 10)
    truth = deviation_ratio(shares, np.full(6, 1 / 6)).mean()
    found = [measure_contexts(*of_counts(SIX, rng.multinomial(n, shares))).mean for _ in range(40)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.93


def test_the_floor_is_that_of_a_perfect_generator() -> None:
    rng = np.random.default_rng(2)
    found = measure_contexts(*of_counts(SIX, rng.multinomial(100, np.full(6, 1 / 6), size=200)))
    assert found.floor == pytest.approx(found.mean.value, rel=0.1)
    assert found.kl_floor == pytest.approx(found.kl, rel=0.1)
    assert found.mean.low == 0
    assert found.with_verdict("misses") == 0


def test_5000_contexts_take_seconds() -> None:
    rng = np.random.default_rng(3)
    counts = rng.multinomial(rng.integers(10, 40, 5000), rng.dirichlet(np.full(6, 2.0), 5000))
    labels, contexts = of_counts(SIX, counts)
    began = time.process_time()
    found = measure_contexts(labels, contexts)
    assert len(found.contexts) == 5000
    assert time.process_time() - began < 20


def test_cells_that_never_occur_are_named_with_what_they_cost() -> None:
    found = measure_contexts(*of_counts(TWO, np.array([[60, 0], [30, 30]])))
    (absent,) = found.absent
    assert (absent.context, absent.cell, absent.n) == ("context 0", "gender=male", 60)
    assert absent.most == found.contexts[0].high[1]
    assert absent.calls == pytest.approx(1 / absent.most)
    only = Target.table(TWO, {"gender=female": 1, "gender=male": 0})
    assert not measure_contexts(*of_counts(TWO, np.array([[60, 0]])), only).absent


def test_contexts_without_known_images_come_last() -> None:
    labels = labels_of(TWO, [-1, -1, 0])
    found = measure_contexts(labels, ["odd", "odd", "one"], empty=["none"])
    assert [(mix.name, mix.n, mix.unknown) for mix in found.contexts] == [
        ("one", 1, 0),
        ("odd", 2, 2),
        ("none", 0, 0),
    ]
    assert [mix.verdict for mix in found.contexts][1:] == ["not_applicable"] * 2
    assert found.mean.value == 1
    unknown = measure_contexts(labels_of(TWO, [-1]), ["odd"])
    assert np.isnan(unknown.mean.value)
    assert np.isnan(unknown.worst_decile.value)


def test_the_target_is_of_every_context() -> None:
    target = Target.table(TWO, {"gender=female": 1, "gender=male": 3})
    found = measure_contexts(*of_counts(TWO, np.array([[25, 75]] * 2)), target)
    assert found.mean.value == 0
    assert found.kl == 0


def test_wrong_contexts_are_refused() -> None:
    labels = labels_of(TWO, [0, 1])
    with pytest.raises(InputError, match="one for each of the 2 images"):
        measure_contexts(labels, ["a"])
    with pytest.raises(InputError, match="must have a name"):
        measure_contexts(labels, ["a", " "])
    with pytest.raises(InputError, match="at least one image"):
        measure_contexts(labels.take(slice(0)), [])


def test_each_context_is_measured_against_its_own_target() -> None:
    """Counts that are exactly their targets, though neither of them is the common one."""
    counts = np.array([[2500, 7500], [3500, 1500]])
    shares = {"context 0": [1, 3], "context 1": [7, 3]}
    own = {name: Target(TWO, np.array(one, float)) for name, one in shares.items()}
    targets = ContextTargets(Target.uniform(TWO), own)
    found = measure_contexts(*of_counts(TWO, counts), targets)
    assert [mix.deviation.value for mix in found.contexts] == [0, 0]
    assert [mix.verdict for mix in found.contexts] == ["meets", "meets"]
    assert [mix.target for mix in found.contexts] == [(0.25, 0.75), (0.7, 0.3)]
    assert found.kl == pytest.approx(0)
    assert found.target == (0.5, 0.5)
    assert found.pooled_deviation.value == pytest.approx(0)
    assert [cell.target for cell in found.pooled.cells] == pytest.approx([0.4, 0.6])
    plain = measure_contexts(*of_counts(TWO, counts))
    assert [mix.verdict for mix in plain.contexts] == ["misses", "misses"]


def test_a_cell_that_only_another_context_wants_is_not_absent() -> None:
    labels, names = of_counts(TWO, np.array([[60, 0], [30, 30]]))
    only = ContextTargets(Target.uniform(TWO), {"context 0": Target(TWO, np.array([1.0, 0]))})
    assert not measure_contexts(labels, names, only).absent
    with pytest.raises(InputError, match="target must name contexts among the 2"):
        measure_contexts(labels, [f"{name}s" for name in names], only)

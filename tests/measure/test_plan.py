import numpy as np
import pytest
from scipy.stats import norm

from equipoise.core.errors import InputError
from equipoise.measure.plan import plan, verified_calls
from equipoise.stats.intervals import simultaneous_intervals

SHARES = np.array([0.5, 0.2, 0.2, 0.1])


def test_the_planned_images_give_the_wanted_half_width() -> None:
    found = plan(SHARES, half_width=0.02)
    assert found.half_width == pytest.approx(0.02, rel=0.01)
    rng = np.random.default_rng(0)
    widths = []
    for counts in rng.multinomial(found.n, SHARES, 20):
        low, high = simultaneous_intervals(counts)
        widths.append((high - low).max() / 2)
    assert np.mean(widths) == pytest.approx(0.02, rel=0.03)


def test_the_planned_images_find_the_wanted_gap() -> None:
    """Marginal tests at 5 % / K, the largest cell off by the gap: power as asked for."""
    found = plan(SHARES, gap=0.04, power=0.9)
    assert found.gap == pytest.approx(0.04, rel=0.01)
    moved = SHARES + np.array([-0.04, 0.04, 0, 0])
    rng = np.random.default_rng(0)
    counts = rng.binomial(found.n, moved[0], 500)
    scores = np.abs(counts / found.n - 0.5) / np.sqrt(0.25 / found.n)
    assert (scores > norm.isf(0.05 / 4 / 2)).mean() == pytest.approx(0.9, abs=0.04)


def test_both_wishes_are_met_and_cost_is_told() -> None:
    one, other = plan(SHARES, half_width=0.02), plan(SHARES, gap=0.02)
    both = plan(SHARES, half_width=0.02, gap=0.02, calls_per_image=1.5, images_per_second=100)
    assert both.n == max(one.n, other.n)
    assert both.calls == int(np.ceil(both.n * 1.5))
    assert both.seconds == pytest.approx(both.n * 1.5 / 100)
    assert np.isnan(one.seconds)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({}, "half_width or gap must be given"),
        ({"gap": 0.0}, r"gap must be in \(0, 1\), got 0.0"),
        ({"half_width": 1.5}, r"half_width must be in \(0, 1\), got 1.5"),
        ({"gap": 0.1, "power": 1.0}, r"power must be in \(0, 1\), got 1.0"),
        ({"gap": 0.95}, "gap must be one that some share can have, got 0.95"),
        ({"gap": 0.1, "calls_per_image": 0.5}, "calls_per_image must be at least 1, got 0.5"),
    ],
)
def test_bad_wishes_are_named(wishes: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan(SHARES, **wishes)


def test_a_forbidden_cell_is_planned_for_by_exact_bounds() -> None:
    """One image out of place is found; so many images show it with the power asked for."""
    found = plan([1, 0], gap=0.02, power=0.8)
    assert 1 - 0.98**found.n >= 0.8 > 1 - 0.98 ** (found.n - 1)
    assert found.gap == pytest.approx(0.02, rel=0.02)
    wide = plan([1, 0], half_width=0.01)
    low, high = simultaneous_intervals([wide.n, 0])
    assert (high - low).max() / 2 == pytest.approx(0.01, rel=0.01)
    assert wide.half_width == pytest.approx(0.01, rel=0.01)


def test_one_cell_needs_one_image() -> None:
    assert plan([1.0], half_width=0.1).n == 1


def test_cells_of_target_zero_cost_nothing() -> None:
    assert plan([0.5, 0.5, 0, 0], half_width=0.01).n == plan([0.5, 0.5], half_width=0.01).n


def test_calls_of_verified_images_are_those_of_each_cell() -> None:
    assert verified_calls([0.9, 0.9, 0.9, 0.1], [0.25] * 4) == pytest.approx(3.3333, rel=1e-3)
    with pytest.raises(InputError, match="purity must be above 0"):
        verified_calls([0.9, 0.0], [0.5, 0.5])
    with pytest.raises(InputError, match="purity must be known of every wanted cell"):
        verified_calls([0.9, np.nan], [0.5, 0.5])

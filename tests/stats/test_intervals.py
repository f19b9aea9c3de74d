import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from equipoise.generators.toy import DEFAULT_SHARES, ToyGenerator
from equipoise.stats.intervals import exact_interval, simultaneous_intervals

REPETITIONS = 400


@pytest.mark.parametrize("attributes", [1, 2, 3])
@pytest.mark.parametrize("n", [300, 1000])
def test_simultaneous_intervals_cover_the_true_shares_at_their_level(
    attributes: int, n: int
) -> None:
    """Counts of the toy's 3, 6 and 12 cells, which `test_toy.py` shows to have these shares."""
    truth = ToyGenerator(dict(list(DEFAULT_SHARES.items())[:attributes])).cell_shares
    covered = 0
    for counts in np.random.default_rng(attributes).multinomial(n, truth, REPETITIONS):
        low, high = simultaneous_intervals(counts)
        covered += bool(((low <= truth) & (truth <= high)).all())
    assert 0.93 <= covered / REPETITIONS <= 0.98


def test_two_cells_need_no_correction() -> None:
    """The shares of two cells are one number, so the interval is that of one share."""
    low, high = simultaneous_intervals([3000, 7000])
    reach = norm.ppf(0.975) * np.sqrt(0.3 * 0.7 / 10_000)
    assert high[0] - low[0] == pytest.approx(2 * reach, rel=0.03)
    assert low[0] == pytest.approx(1 - high[1])


def test_more_cells_have_longer_intervals() -> None:
    two = np.subtract(*simultaneous_intervals([500, 500])[::-1])[0]
    many = np.subtract(*simultaneous_intervals([500, *[50] * 10])[::-1])[0]
    assert many > 1.2 * two


def test_an_empty_cell_has_an_interval_and_no_images_have_none() -> None:
    low, high = simultaneous_intervals([0, 20, 80])
    assert low[0] == 0
    assert high[0] == pytest.approx(1 - 0.01 ** (1 / 100))
    assert np.isnan(simultaneous_intervals([0, 0])).all()
    assert [float(bound[0]) for bound in simultaneous_intervals([7])] == [1, 1]
    low, high = simultaneous_intervals([1, 0])
    assert 0 <= low[0] < high[0] <= 1


@pytest.mark.parametrize("empty", [1, 4])
def test_empty_cells_hardly_lengthen_the_intervals_of_others(empty: int) -> None:
    low, high = simultaneous_intervals([3000, 3000])
    more_low, more_high = simultaneous_intervals([3000, 3000, *[0] * empty])
    assert more_high[0] - more_low[0] < 1.2 * (high[0] - low[0])
    assert (more_high[2:] < 0.002).all()


def test_one_cell_that_has_all_may_fall_short() -> None:
    low, high = simultaneous_intervals([100, 0])
    assert low.tolist() == [pytest.approx(0.01 ** (1 / 100)), 0]
    assert high.tolist() == [1, pytest.approx(1 - 0.01 ** (1 / 100))]


@pytest.mark.parametrize("n", [20, 200, 6000])
def test_intervals_of_two_cells_cover_where_one_may_take_all(n: int) -> None:
    """Coverage is summed over all counts, not simulated."""
    seen = np.arange(min(n, 40) + 1)
    intervals = [simultaneous_intervals([n - count, count]) for count in seen]
    for expected in np.arange(0.2, 6, 0.2):
        truth = np.array([1 - expected / n, expected / n])
        inside = [((low <= truth) & (truth <= high)).all() for low, high in intervals]
        assert binom.pmf(seen, n, truth[1])[inside].sum() >= 0.925


@pytest.mark.parametrize("truth", [[0.5, 0.498, 0.001, 0.001], [0.995, 0.005]])
def test_intervals_cover_where_cells_are_often_empty(truth: list[float]) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for counts in rng.multinomial(300, truth, REPETITIONS):
        low, high = simultaneous_intervals(counts)
        covered += bool(((low <= truth) & (truth <= high)).all())
    assert covered / REPETITIONS >= 0.93


def test_the_same_counts_have_the_same_intervals() -> None:
    assert np.array_equal(simultaneous_intervals([5, 6, 7]), simultaneous_intervals([5, 6, 7]))


def test_the_exact_interval_is_that_of_a_kept_library() -> None:
    for count, n in ((0, 1), (1, 1), (0, 40), (13, 40), (40, 40), (3, 5000), (4999, 5000)):
        wanted = binomtest(count, n).proportion_ci(0.95, method="exact")
        assert exact_interval(count, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)

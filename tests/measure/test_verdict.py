import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from equipoise.measure.verdict import TOLERANCE, deciding_n, judge, multinomial_test

UNIFORM = np.full(6, 1 / 6)


def test_two_cells_give_the_exact_binomial_test() -> None:
    for count in range(21):
        assert multinomial_test([count, 20 - count], [0.5, 0.5]) == pytest.approx(
            binomtest(count, 20, 0.5).pvalue
        )


@pytest.mark.parametrize("n", [8, 1000])
def test_p_values_are_uniform_or_larger_under_the_target(n: int) -> None:
    """Exact at n = 8, simulated at n = 1000."""
    target = np.array([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(0)
    found = [multinomial_test(counts, target) for counts in rng.multinomial(n, target, 250)]
    assert np.mean(np.array(found) <= 0.05) <= 0.08
    if n == 1000:
        assert kstest(found, "uniform").pvalue > 1e-3


def test_what_the_target_forbids_has_no_chance() -> None:
    assert multinomial_test([5, 1], [1.0, 0.0]) == 0
    assert multinomial_test([5, 0], [1.0, 0.0]) == 1
    assert np.isnan(multinomial_test([0, 0], [0.5, 0.5]))


def test_a_met_target_is_told_with_enough_images_and_never_called_missed() -> None:
    rng = np.random.default_rng(1)
    few = [judge(counts, UNIFORM).outcome for counts in rng.multinomial(200, UNIFORM, 60)]
    many = [judge(counts, UNIFORM).outcome for counts in rng.multinomial(12_000, UNIFORM, 60)]
    assert "misses" not in many
    assert few.count("misses") / 60 <= 0.05
    assert few.count("meets") == 0
    assert many.count("meets") / 60 > 0.9


def test_a_missed_target_is_told_and_hardly_ever_called_met() -> None:
    """Shares on the edge of the tolerance: the worst case for a false "meets"."""
    edge = UNIFORM + np.array([TOLERANCE, -TOLERANCE, 0, 0, 0, 0]) * 1.0001
    rng = np.random.default_rng(2)
    found = [judge(counts, UNIFORM).outcome for counts in rng.multinomial(20_000, edge, 100)]
    assert found.count("meets") / 100 <= 0.06
    far = UNIFORM + np.array([0.05, -0.05, 0, 0, 0, 0])
    found = [judge(counts, UNIFORM).outcome for counts in rng.multinomial(8000, far, 40)]
    assert found.count("misses") > 36


def test_a_perfect_sampler_is_decided_at_the_default_n() -> None:
    for cells in (2, 6, 12):
        target = np.full(cells, 1 / cells)
        drawn = np.random.default_rng(cells).multinomial(deciding_n(target), target, 60)
        found = [judge(counts, target).outcome for counts in drawn]
        assert found.count("meets") >= 0.8 * 60, "at least 90 % and 2.5 deviations of 60 runs"
        assert "misses" not in found


def test_cells_without_a_target_ask_for_no_images() -> None:
    assert deciding_n([0.5, 0.5, 0.0]) == deciding_n([0.5, 0.5])
    assert deciding_n([1.0, 0.0]) > 0


def test_a_lost_rare_cell_is_never_called_met() -> None:
    target = np.array([0.01, 0.01, 0.49, 0.49])
    rng = np.random.default_rng(3)
    for n in (6000, 10_000, 20_000):
        for lost in ([0, 0, 0.5, 0.5], [0, 0.01, 0.495, 0.495]):
            found = [judge(counts, target).outcome for counts in rng.multinomial(n, lost, 15)]
            assert "meets" not in found


def test_the_tolerance_of_a_rare_cell_is_a_fifth_of_its_target() -> None:
    found = judge([10, 490, 500], [0.01, 0.49, 0.5])
    assert found.tolerances == pytest.approx((0.002, 0.02, 0.02))
    assert "within 2 points, or 20% of its target where that is less" in found.words
    assert "that it is met exactly" in found.words
    assert "where that is less" not in judge([5, 5], [0.5, 0.5]).words


def test_the_images_that_would_decide_do_decide() -> None:
    """True shares are drawn around the target; the larger n decides."""
    rng = np.random.default_rng(4)
    likely: list[bool] = []
    for spread in np.repeat([300, 3000, 30_000], 12):
        true = rng.dirichlet(UNIFORM * spread)
        verdict = judge(rng.multinomial(2000, true), UNIFORM)
        if verdict.decisive_n is None:
            continue
        low, high = verdict.decisive_n
        assert f"{low:,}" in verdict.words
        likely += [
            judge(one, UNIFORM).outcome != "undecided" for one in rng.multinomial(high, true, 4)
        ]
    assert len(likely) > 50
    assert np.mean(likely) > 0.85


def test_what_cannot_be_judged_is_not_applicable() -> None:
    assert judge([3, 4], None).outcome == "not_applicable"
    assert judge([0, 0], [0.5, 0.5]).outcome == "not_applicable"
    assert judge([1], [1.0]).outcome == "meets"
    assert judge([1, 0], [0.5, 0.5]).outcome == "undecided"


def test_one_cell_with_all_images_is_decided_in_time() -> None:
    for counts, target in (([10, 0], [1.0, 0.0]), ([150, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0])):
        needed = judge(counts, target).decisive_n
        assert needed is not None
        many = np.zeros(len(counts), int)
        many[0] = needed[1]
        assert judge(many, target).outcome == "meets"

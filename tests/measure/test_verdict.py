import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from equipoise.measure.verdict import TOLERANCE, judge, multinomial_test

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
    few = [judge(counts, UNIFORM).code for counts in rng.multinomial(200, UNIFORM, 60)]
    many = [judge(counts, UNIFORM).code for counts in rng.multinomial(12_000, UNIFORM, 60)]
    assert "misses" not in many
    assert few.count("misses") / 60 <= 0.05
    assert few.count("meets") == 0
    assert many.count("meets") / 60 > 0.9


def test_a_missed_target_is_told_and_hardly_ever_called_met() -> None:
    """Shares on the edge of the tolerance: the worst case for a false "meets"."""
    edge = UNIFORM + np.array([TOLERANCE, -TOLERANCE, 0, 0, 0, 0]) * 1.0001
    rng = np.random.default_rng(2)
    found = [judge(counts, UNIFORM).code for counts in rng.multinomial(20_000, edge, 100)]
    assert found.count("meets") / 100 <= 0.06
    far = UNIFORM + np.array([0.05, -0.05, 0, 0, 0, 0])
    found = [judge(counts, UNIFORM).code for counts in rng.multinomial(8000, far, 40)]
    assert found.count("misses") > 36


def test_the_images_that_would_decide_do_decide() -> None:
    verdict = judge(np.full(6, 100), UNIFORM)
    assert verdict.code == "undecided"
    assert verdict.decisive_n is not None
    assert f"{verdict.decisive_n:,} images would decide" in verdict.words
    assert judge(np.full(6, int(verdict.decisive_n * 1.2 / 6)), UNIFORM).code == "meets"
    off = np.array([0.2, *[0.16] * 5])
    small = judge((off * 800).astype(int), UNIFORM)
    assert small.code == "undecided"
    assert small.decisive_n is not None
    assert judge((off * small.decisive_n * 1.2).astype(int), UNIFORM).code == "misses"


def test_what_cannot_be_judged_is_not_applicable() -> None:
    assert judge([3, 4], None).code == "not_applicable"
    assert judge([0, 0], [0.5, 0.5]).code == "not_applicable"
    assert judge([1], [1.0]).code == "meets"
    assert judge([1, 0], [0.5, 0.5]).code == "undecided"


@pytest.mark.parametrize(
    ("counts", "target"),
    [([10, 0], [1.0, 0.0]), ([5, 0], [0.99, 0.01]), ([150, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0])],
)
def test_where_one_cell_has_all_so_many_images_decide(
    counts: list[int], target: list[float]
) -> None:
    """And no fewer than nine tenths of them."""
    needed = judge(counts, target).decisive_n
    assert needed is not None
    many, fewer = ([n if c else 0 for c in counts] for n in (needed, needed * 9 // 10))
    assert judge(many, target).code == "meets"
    assert judge(fewer, target).code == "undecided"

import numpy as np
import pytest

from equipoise.stats.paired import asymmetry, discordance, paired_difference


@pytest.mark.parametrize(("first", "second", "alike"), [(0.3, 0.05, 0.5), (0.1, 0.1, 0.0)])
def test_the_interval_of_a_paired_difference_covers(
    first: float, second: float, alike: float
) -> None:
    """`alike`: part of images whose two events are one draw."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        u, v = rng.random((2, 60))
        v = np.where(rng.random(60) < alike, u, v)
        one, other = u < first, v < second
        table = [int((one & other).sum()), int((one & ~other).sum())]
        table += [int((~one & other).sum()), int((~one & ~other).sum())]
        found = paired_difference(*table)
        covered += found.low <= first - second <= found.high
    assert covered >= 0.93 * 400


def test_it_is_antisymmetric_and_within_its_range() -> None:
    for table in ((3, 9, 2, 26), (0, 0, 0, 40), (0, 40, 0, 0), (40, 0, 0, 0), (5, 0, 7, 0)):
        both, first, second, neither = table
        found = paired_difference(*table)
        turned = paired_difference(both, second, first, neither)
        assert found.value == -turned.value
        assert found.low == pytest.approx(-turned.high)
        assert -1 - 1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
    assert np.isnan(paired_difference(0, 0, 0, 0).value)


def test_a_smaller_error_makes_a_longer_interval() -> None:
    short, long = paired_difference(2, 8, 3, 27), paired_difference(2, 8, 3, 27, error=0.01)
    assert long.low < short.low < short.high < long.high


def test_tests_reject_a_true_null_no_more_often_than_they_say() -> None:
    rng = np.random.default_rng(1)
    rejected = np.zeros(2)
    for seed in range(300):
        exchanged = rng.integers(0, 8, 3)
        there = rng.binomial(exchanged, 0.5)
        table = np.diag([20, 20, 20])
        for (i, j), a, b in zip(((0, 1), (0, 2), (1, 2)), there, exchanged - there, strict=True):
            table[i, j], table[j, i] = a, b
        rejected += [asymmetry(table, seed) < 0.05, discordance(*table[[0, 1], [1, 0]]) < 0.05]
    assert (rejected <= 0.08 * 300).all()


def test_a_one_way_exchange_is_seen() -> None:
    assert asymmetry([[30, 10, 0], [0, 40, 0], [0, 0, 40]]) < 0.01
    assert asymmetry([[0, 10], [10, 0]]) == 1
    assert asymmetry(np.eye(3, dtype=int) * 5) == 1

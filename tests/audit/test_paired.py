import numpy as np
import pytest

from equipoise.audit.paired import discordance, paired_difference


@pytest.mark.parametrize(
    ("shares", "n"),
    [((0.1, 0.1, 0.0, 0.8), 200), ((0.5, 0.2, 0.05, 0.25), 100), ((0.8, 0.1, 0.02, 0.08), 60)],
)
def test_the_interval_of_a_paired_difference_covers_at_its_level(
    shares: tuple[float, ...], n: int
) -> None:
    rng = np.random.default_rng(0)
    truth = shares[1] - shares[2]
    covered = [
        found.low <= truth <= found.high
        for counts in rng.multinomial(n, shares, 400)
        for found in [paired_difference(*map(int, counts))]
    ]
    assert np.mean(covered) > 0.93


def test_swapping_the_two_turns_the_sign() -> None:
    one, other = paired_difference(30, 12, 5, 20), paired_difference(30, 5, 12, 20)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_the_exact_test_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    ps = [discordance(int(k), 30 - int(k)) for k in rng.binomial(30, 0.5, 2000)]
    assert np.mean(np.array(ps) <= 0.05) <= 0.05 + 0.01

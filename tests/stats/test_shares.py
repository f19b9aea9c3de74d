"""Weighted shares stand for what their weights undo."""

import numpy as np
import pytest

from equipoise.stats.shares import Share


def test_equal_weights_change_nothing() -> None:
    events, trials = np.arange(40) < 10, np.ones(40, bool)
    plain = Share.among("a", events, trials)
    assert Share.among("a", events, trials, np.full(40, 3.0)) == plain
    assert plain.tested == (10, 40)


@pytest.mark.parametrize("rate", [0.03, 0.2, 0.5])
def test_intervals_cover_the_rate_of_what_is_stood_for(rate: float) -> None:
    """Images of an easy kind are drawn four times as often; the rate of all is wanted."""
    rng = np.random.default_rng(1)
    held, off, runs = 0, 0, 600
    for _ in range(runs):
        easy = rng.random(400) < 0.8  # Of all, half are easy.
        wrong = rng.random(400) < np.where(easy, rate / 2, rate * 1.5)
        weights = np.where(easy, 0.5 / 0.8, 0.5 / 0.2)
        share = Share.among("wrong", wrong, np.ones(400, bool), weights)
        held += share.low <= rate <= share.high
        plain = Share.among("wrong", wrong, np.ones(400, bool))
        off += plain.low <= rate <= plain.high
        assert share.effective <= 400
    assert held / runs >= 0.94
    assert off / runs < 0.8 or rate < 0.1  # Without weights the easy ones hide the errors.


def test_tests_count_effective_images() -> None:
    events, weights = np.array([True, False] * 50), np.where(np.arange(100) < 10, 10.0, 1.0)
    share = Share.among("a", events, np.ones(100, bool), weights)
    count, trials = share.tested
    assert share.n == 100
    assert trials == int(share.effective) < 50
    assert abs(count - trials / 2) <= 0.5


def test_no_trial_has_no_share() -> None:
    none = Share.among("a", np.zeros(3, bool), np.zeros(3, bool), np.ones(3))
    assert np.isnan(none.share)
    assert none.tested == (0, 0)

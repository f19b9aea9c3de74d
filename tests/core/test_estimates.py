import numpy as np
import pytest

from equipoise.core.estimates import Estimate, around, jackknife_error


def test_the_jackknife_error_of_a_mean_is_that_of_its_formula() -> None:
    rows = np.random.default_rng(0).random(30)
    left_out = (rows.sum() - rows) / 29
    assert jackknife_error(left_out) == pytest.approx(rows.std(ddof=1) / np.sqrt(30))


def test_an_interval_is_students() -> None:
    found = around(1.0, 0.5, 9)
    assert (found.low, found.high) == pytest.approx((1 - 0.5 * 2.262157, 1 + 0.5 * 2.262157))


def test_a_missing_number_says_why() -> None:
    found = Estimate.missing("no image")
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.note == "no image"

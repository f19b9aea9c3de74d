import math

import pytest

from equipoise.core.estimates import Estimate
from equipoise.core.numbers import decimals, estimate, interval, number, p_text, percent


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_number_has_a_text(missing: float | None) -> None:
    assert percent(missing) == number(missing) == decimals(missing) == "not applicable"
    assert percent(missing, missing="-") == number(missing, missing="-") == "-"
    assert decimals(missing, missing="-") == interval(missing, missing, missing="-") == "-"


def test_an_estimate_without_an_interval_is_the_value_alone() -> None:
    assert estimate(Estimate(0.25), percent) == "25.0%"
    assert estimate(Estimate.missing("no image"), missing="-") == "-"


def test_infinity_is_a_number_but_has_no_decimals() -> None:
    assert number(math.inf) == "infinite"
    assert decimals(math.inf, missing="-") == decimals(-math.inf, missing="-") == "-"
    assert estimate(Estimate(math.inf, 2.0, math.inf)) == "infinite (2 to infinite)"


def test_digits_are_those_asked_for() -> None:
    assert (percent(0.98765, 0), percent(0.98765, 2), percent(-0.001)) == ("99%", "98.77%", "-0.1%")
    assert (decimals(1 / 3, 4), decimals(-2, 0), p_text(0.01234)) == ("0.3333", "-2", "0.012")

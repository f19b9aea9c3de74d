import math

import pytest

from equipoise.core.numbers import decimals, number, percent, with_interval


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_number_is_said_to_be_missing(missing: float | None) -> None:
    assert percent(missing) == number(missing) == decimals(missing) == "not applicable"
    assert percent(missing, missing="-") == number(missing, "-") == decimals(missing, 2, "-") == "-"
    assert with_interval(0.25, missing, missing, percent) == "25.0%"
    assert with_interval(missing, missing, missing) == "not applicable"


def test_infinity_is_a_number_as_text_but_has_no_decimals() -> None:
    assert (number(math.inf), number("infinite")) == ("inf", "infinite")
    assert decimals(math.inf, missing="-") == decimals(-math.inf, missing="-") == "-"
    assert with_interval("infinite", 2.0, "infinite") == "infinite (2 to infinite)"


def test_digits_are_those_asked_for() -> None:
    assert (percent(0.98765, 0), percent(0.98765, 2), percent(-0.001)) == ("99%", "98.77%", "-0.1%")
    assert (decimals(1 / 3, 4), decimals(-2, 0)) == ("0.3333", "-2")

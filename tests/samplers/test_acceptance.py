import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from equipoise.samplers.acceptance import AcceptanceRule

GRID = np.concatenate([[0.0], np.geomspace(1e-12, 1, 400)])
"""Values of P(cell | code), 0 among them."""


def accepted(full: float, power: float, floor: float = 0.0, h: np.ndarray = GRID) -> np.ndarray:
    """Return the probability that a cell of this rule accepts codes of these h."""
    rule = AcceptanceRule(np.array([full]), np.array([power]), np.array([floor]))
    with np.errstate(divide="ignore"):
        return np.exp(rule.log_acceptance(np.log(h)[:, None]))[:, 0]


fulls = st.floats(1e-6, 2.0)
powers = st.one_of(st.floats(0.1, 8.0), st.just(np.inf))
floors = st.floats(0.0, 0.9)


@given(fulls, powers, floors)
def test_the_chance_is_the_rule(full: float, power: float, floor: float) -> None:
    expected = np.maximum(np.minimum(GRID / full, 1) ** power, floor)
    assert np.allclose(accepted(full, power, floor), expected, rtol=1e-9, atol=0)


@given(fulls, powers, floors)
def test_a_code_that_is_more_of_the_cell_is_accepted_no_less(
    full: float, power: float, floor: float
) -> None:
    chances = accepted(full, power, floor)
    assert (np.diff(chances) >= 0).all()
    assert (chances >= floor * (1 - 1e-12)).all() and (chances <= 1).all()
    assert (chances[full <= GRID] == 1).all()


@given(fulls)
def test_an_infinite_power_is_a_threshold(full: float) -> None:
    rule = AcceptanceRule.thresholds(np.array([full]))
    log_h = np.log(np.array([[full * 0.999], [full], [full * 1.001]]))
    assert np.exp(rule.log_acceptance(log_h)).ravel().tolist() == [0, 1, 1]


def test_the_floor_reaches_what_is_never_of_the_cell() -> None:
    assert accepted(0.5, 0.5, 0.01, np.array([0.0])).tolist() == [np.exp(np.log(0.01))]
    assert accepted(0.5, 0.5, 0.0, np.array([0.0])).tolist() == [0]


def test_a_cell_of_infinite_full_accepts_nothing_even_with_a_floor() -> None:
    assert (accepted(np.inf, 0.5, 0.1) == 0).all()
    assert (accepted(np.inf, np.inf) == 0).all()
    rule = AcceptanceRule(np.array([0.5, np.inf]), np.ones(2), np.zeros(2))
    assert rule.cells.tolist() == [True, False]


def test_the_square_root_is_the_cheapest_rule_for_weighted_draws() -> None:
    """E[a] E_cell[1 / a] over codes whose h is uniform: no other power costs less."""
    h = (np.arange(20_000) + 0.5) / 20_000
    costs = {}
    for power in (0.25, 0.4, 0.5, 0.6, 0.75):
        a = accepted(1.0, power, h=h)
        costs[power] = a.mean() * (h / a).mean()
    assert min(costs, key=costs.__getitem__) == 0.5
    assert abs(costs[0.5] - (2 / 3) ** 2) < 1e-4, "E[sqrt(h)] squared"

from collections.abc import Callable

import numpy as np
import pytest

from equipoise.generators.base import StandardNormal
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.proposals import (
    LOST_UNREAD,
    Prefilter,
    fit_margin,
    fit_prefilter,
    held_out_rows,
)

PRIOR = StandardNormal(6)
RULES = {
    "threshold": AcceptanceRule.thresholds(np.array([0.5, 0.5])),
    "square root": AcceptanceRule(np.full(2, 0.8), np.full(2, 0.5), np.zeros(2)),
    "clear members": AcceptanceRule(np.full(2, 0.8), np.full(2, 4.0), np.zeros(2)),
}


def log_h(codes: np.ndarray) -> np.ndarray:
    """Return log P(cell | code) of a cell of one code in forty, and of a hopeless one."""
    rising = 6 * (codes[:, 0] + 0.5 * codes[:, 1] * np.sin(codes[:, 2]) - 2.2)
    cell = -np.logaddexp(0, -rising)
    return np.stack([cell, np.full(len(codes), -30.0)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return PRIOR.codes(0, 0, 40_000)


@pytest.fixture(scope="module")
def prefilter(codes: np.ndarray) -> Prefilter:
    return fit_prefilter(codes, log_h(codes), 0)


def bound_of(
    rule: AcceptanceRule, guesses: np.ndarray, cell: int = 0
) -> Callable[[float], np.ndarray]:
    return lambda margin: rule.log_acceptance(guesses + margin)[:, cell]


def fitted_margin(
    prefilter: Prefilter, codes: np.ndarray, rule: AcceptanceRule, cell: int = 0
) -> float:
    rows = codes[held_out_rows(len(codes), 0)]
    known = log_h(rows)
    bound = bound_of(rule, prefilter.log_guesses(rows), cell)
    return fit_margin(bound, rule.log_acceptance(known)[:, cell], known[:, cell])


@pytest.mark.parametrize("name", RULES)
def test_bounds_lose_few_accepted_members_and_leave_most_codes_unread(
    prefilter: Prefilter, codes: np.ndarray, name: str
) -> None:
    """On 200,000 fresh codes, within 4 standard errors of the codes that set the margin."""
    rule, fresh = RULES[name], PRIOR.codes(1, 0, 200_000)
    bounds = bound_of(rule, prefilter.log_guesses(fresh))(fitted_margin(prefilter, codes, rule))
    h, accepted = np.exp(log_h(fresh)[:, 0]), np.exp(rule.log_acceptance(log_h(fresh))[:, 0])
    members = h * accepted
    lost = (h * np.maximum(accepted - np.exp(bounds), 0)).sum() / members.sum()
    of_margin = members.sum() * held_out_rows(len(codes), 0).sum() / len(fresh)
    assert lost < LOST_UNREAD + 4 * np.sqrt(LOST_UNREAD / of_margin)
    log_uniforms = np.log(np.random.default_rng(0).random(len(fresh)))
    read = log_uniforms < bounds
    hopeless = accepted < 0.01
    assert hopeless.mean() > 0.7
    assert read[hopeless].mean() < 0.15


def test_the_margin_is_the_least(prefilter: Prefilter, codes: np.ndarray) -> None:
    """On its own codes the margin loses what is allowed, and a lesser one more."""
    rule = RULES["square root"]
    rows = codes[held_out_rows(len(codes), 0)]
    h, accepted = np.exp(log_h(rows)[:, 0]), np.exp(rule.log_acceptance(log_h(rows))[:, 0])
    bound, margin = (
        bound_of(rule, prefilter.log_guesses(rows)),
        fitted_margin(prefilter, codes, rule),
    )

    def lost(at: float) -> float:
        return float((h * np.maximum(accepted - np.exp(bound(at)), 0)).sum() / (h * accepted).sum())

    assert lost(margin) <= LOST_UNREAD * (1 + 1e-5)
    assert lost(margin - 0.01) > LOST_UNREAD


def test_the_same_seed_fits_the_same(codes: np.ndarray) -> None:
    one, other = (fit_prefilter(codes[:2000], log_h(codes[:2000]), 3) for _ in range(2))
    assert all(np.array_equal(a, other.tensors()[name]) for name, a in one.tensors().items())


def test_a_quarter_of_the_codes_is_held_out_and_named_by_the_seed() -> None:
    rows = held_out_rows(40_000, 3)
    assert rows.mean() == pytest.approx(0.25, abs=0.01)
    assert np.array_equal(rows, held_out_rows(40_000, 3))
    assert not np.array_equal(rows, held_out_rows(40_000, 4))


def test_where_too_little_is_accepted_nothing_is_dropped(
    prefilter: Prefilter, codes: np.ndarray
) -> None:
    rule = RULES["square root"]
    margin = fitted_margin(prefilter, codes, rule, cell=1)
    assert (prefilter.log_guesses(codes)[:, 1] + margin > 0).all()

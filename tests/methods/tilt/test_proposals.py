from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from equipoise.generators.base import StandardNormal
from equipoise.methods.tilt.proposals import search_proposals
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.proposals import LOST_OUTSIDE

NORMAL = np.array([0.6, 0.8, 0, 0, 0, 0, 0, 0], np.float32)
RULE = AcceptanceRule(np.array([1.0, 1.0, np.inf]), np.ones(3), np.zeros(3))
"""Accepts with probability h; cell 2 cannot be requested."""


def judge(codes: np.ndarray) -> np.ndarray:
    """Cell 0 is a third of the prior, cell 1 one code in thirty thousand, cell 2 half of it."""
    along = codes @ NORMAL
    chances = [8 * np.minimum(along - cut, 0.0) for cut in (0.43, 4.0)]
    return np.stack([*chances, np.where(along > 0, 0.0, -np.inf)], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_a_very_rare_cell_is_found(seed: int) -> None:
    prior = StandardNormal(8)
    codes = prior.codes(seed, 0, 20_000)
    pilot = search_proposals(prior, codes, judge(codes), judge, RULE, seed)
    assert pilot.own[0][-1] == 19_999, "the common cell needs no further codes"
    assert pilot.spaces.normals[1] @ NORMAL > 0.97
    assert np.isneginf(pilot.spaces.thresholds[2]), "a cell that is not wanted keeps the prior"
    accepted = np.exp(RULE.log_acceptance(pilot.log_h))
    assert accepted[pilot.own[1], 1].sum() > 100
    # E[exp(8 min(x - c, 0))] over a standard normal x, in closed form.
    expected = [norm.sf(cut) + np.exp(32 - 8 * cut) * norm.cdf(cut - 8) for cut in (0.43, 4.0)]
    found = pilot.prior_mean(accepted)
    assert found[0] == pytest.approx(expected[0], rel=0.06)
    assert found[1] == pytest.approx(expected[1], rel=0.25)
    assert found[2] == 0


def test_half_spaces_hold_the_members_whatever_the_rule() -> None:
    """None of them is to be out of reach of draws that carry weights."""
    prior = StandardNormal(8)
    codes = prior.codes(0, 0, 20_000)
    sharp = replace(RULE, power=np.full(3, 8.0))
    fresh = prior.codes(1, 0, 200_000)
    member = np.exp(judge(fresh)[:, 0])
    for rule in (RULE, sharp):
        found = search_proposals(prior, codes, judge(codes), judge, rule, 0)
        outside = member[fresh @ NORMAL < found.spaces.thresholds[0]].sum() / member.sum()
        assert outside < 2 * LOST_OUTSIDE, "twice what is allowed: the normal is fitted, not known"


def test_another_prior_is_explored_whole() -> None:
    class Wide:
        def codes(self, seed: int, start: int, stop: int) -> np.ndarray:
            return 2 * StandardNormal(8).codes(seed, start, stop)

        def log_density(self, codes: np.ndarray) -> np.ndarray:
            return StandardNormal(8).log_density(codes / 2)

    codes = Wide().codes(0, 0, 5000)
    pilot = search_proposals(Wide(), codes, judge(codes), judge, RULE, 0)
    assert len(pilot.codes) == 5000
    assert np.isneginf(pilot.spaces.thresholds).all()
    assert (pilot.shares == 1).all()

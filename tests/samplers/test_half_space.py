import numpy as np
import pytest
from scipy.stats import kstest, norm

from equipoise.generators.base import StandardNormal
from equipoise.samplers.proposals import LOST_OUTSIDE as LOST
from equipoise.samplers.proposals import HalfSpaces, half_space_of


def diagonal(threshold: float) -> HalfSpaces:
    normal = np.full((1, 4), 0.5, np.float32)
    return HalfSpaces(normal, np.array([threshold]))


@pytest.mark.parametrize("threshold", [-1.0, 0.5, 3.5])
@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_the_prior_within_the_half_space(threshold: float, seed: int) -> None:
    spaces = diagonal(threshold)
    codes = StandardNormal(4).codes(seed, 0, 4000)
    found = spaces.candidates(codes, 0, np.random.default_rng(seed))
    along = found @ spaces.normals[0]
    assert (along >= threshold - 1e-5).all()
    tail = norm.sf(threshold)
    assert spaces.prior_mass()[0] == pytest.approx(tail)
    assert kstest(along, lambda x: 1 - norm.sf(np.maximum(x, threshold)) / tail).pvalue > 1e-3
    across = found @ np.array([0.5, -0.5, 0.5, -0.5], np.float32)
    assert kstest(across, norm.cdf).pvalue > 1e-3


def test_no_threshold_leaves_codes_as_they_are() -> None:
    codes = StandardNormal(4).codes(0, 0, 10)
    rng = np.random.default_rng(0)
    assert diagonal(-np.inf).candidates(codes, 0, rng) is codes
    assert diagonal(-np.inf).contains(codes).all()


def test_the_fitted_half_space_holds_what_is_accepted() -> None:
    codes = StandardNormal(8).codes(1, 0, 50_000)
    chances = (codes[:, 0] > 2.0).astype(float)
    spaces = HalfSpaces.unrestricted(2, 8).with_halfspace(0, *half_space_of(codes, chances))
    assert spaces.normals[0, 0] > 0.99
    assert spaces.thresholds[0] > 1.7
    held = chances[spaces.contains(codes)[:, 0]].sum() / chances.sum()
    assert held == pytest.approx(1 - LOST, abs=0.005)
    assert spaces.contains(codes)[:, 1].all(), "the other cell keeps the whole prior"


@pytest.mark.parametrize(("dim", "accepted"), [(8, 300), (400, 300), (4000, 300)])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_it_holds_fresh_codes_as_it_holds_those_that_it_was_fitted_to(
    dim: int, accepted: int, shift: float
) -> None:
    """Whatever share of the direction is chance; by their own parts in it, few would be held."""
    codes, fresh = (np.array(StandardNormal(dim).codes(s, 0, 10 * accepted)) for s in (0, 1))
    codes[:, 0] += shift
    fresh[:, 0] += shift
    chances = np.zeros(len(codes))
    chances[:accepted] = 1
    spaces = HalfSpaces.unrestricted(1, dim).with_halfspace(0, *half_space_of(codes, chances))
    held = spaces.contains(fresh).mean()
    assert 1 - LOST - 4 * np.sqrt(LOST / accepted) < held


def test_the_places_are_along_the_mean_of_the_others() -> None:
    codes = StandardNormal(30).codes(3, 0, 40)
    chances = np.random.default_rng(0).random(40)
    places = []
    for i in range(40):
        others = np.arange(40) != i
        mean = chances[others] @ codes[others].astype(np.float64)
        places.append(codes[i] @ mean / np.linalg.norm(mean))
    order = np.argsort(places)
    first = order[np.searchsorted(chances[order].cumsum(), LOST * chances.sum())]
    assert half_space_of(codes, chances)[1] == pytest.approx(places[first], abs=1e-4)

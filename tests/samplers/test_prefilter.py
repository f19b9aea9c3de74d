import numpy as np
import pytest

from equipoise.generators.base import StandardNormal
from equipoise.samplers.proposals import LOST_UNREAD as LOST
from equipoise.samplers.proposals import Prefilter, fit_prefilter


@pytest.fixture(scope="module")
def rule() -> tuple[Prefilter, np.ndarray, np.ndarray]:
    """A screen of a smooth rule, with fresh codes and their chances."""
    prior = StandardNormal(6)

    def log_acceptance(codes: np.ndarray) -> np.ndarray:
        rising = np.minimum(6 * (codes[:, 0] + 0.5 * codes[:, 1] - 2.0), 0)
        return np.stack([rising, np.full(len(codes), -np.inf)], axis=1)

    codes = prior.codes(0, 0, 30_000)
    fresh = prior.codes(1, 0, 30_000)
    return (
        fit_prefilter(codes, log_acceptance(codes), [np.arange(30_000)] * 2, 0),
        fresh,
        log_acceptance(fresh)[:, 0],
    )


def test_ceilings_cut_little_off(rule: tuple[Prefilter, np.ndarray, np.ndarray]) -> None:
    prefilter, codes, log_acceptance = rule
    log_upper_bounds = prefilter.log_upper_bounds(codes, slice(0, 1))[:, 0]
    cut = np.exp(np.minimum(log_acceptance, log_upper_bounds)).sum() / np.exp(log_acceptance).sum()
    assert cut > 1 - 2 * LOST


def test_most_hopeless_codes_go_unread(rule: tuple[Prefilter, np.ndarray, np.ndarray]) -> None:
    prefilter, codes, log_acceptance = rule
    log_uniforms = np.log(np.random.default_rng(0).random(len(codes)))
    read = (log_uniforms < prefilter.log_upper_bounds(codes, slice(0, 1))[:, 0]).mean()
    assert read < 2 * np.exp(log_acceptance).mean()


def test_the_same_seed_fits_the_same(rule: tuple[Prefilter, np.ndarray, np.ndarray]) -> None:
    _, codes, log_acceptance = rule
    one, other = (
        fit_prefilter(codes[:2000], log_acceptance[:2000, None], [np.arange(2000)], 3)
        for _ in range(2)
    )
    assert all(np.array_equal(a, other.tensors()[name]) for name, a in one.tensors().items())


def test_where_too_little_is_accepted_nothing_is_dropped() -> None:
    codes = StandardNormal(6).codes(0, 0, 2000)
    hopeless = np.full((2000, 1), -20.0)
    prefilter = fit_prefilter(codes, hopeless, [np.arange(2000)], 0)
    assert (prefilter.log_upper_bounds(codes, slice(None)) > 0).all()

"""Priors: their support, their moments, and the density where there is one."""

import numpy as np
import pytest
from scipy import stats

from equipoise.generators import StandardNormal
from equipoise.generators.priors import Spherical, Uniform, prior_of


def test_each_name_gives_its_prior() -> None:
    found = [prior_of(name, 3) for name in ("normal", "uniform", "spherical")]
    assert found == [StandardNormal(3), Uniform(3), Spherical(3)]


@pytest.mark.parametrize("seed", range(3))
def test_uniform_values_are_uniform(seed: int) -> None:
    codes = Uniform(4).codes(seed, 0, 5000)
    assert stats.kstest(codes.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(codes.T) - np.eye(4)).max() < 0.06
    outside = np.full((1, 4), 1.5, np.float32)
    assert Uniform(4).log_density(outside)[0] == -np.inf


@pytest.mark.parametrize("seed", range(3))
def test_spherical_codes_lie_on_their_sphere_without_a_preferred_side(seed: int) -> None:
    codes = Spherical(8).codes(seed, 0, 5000)
    assert np.allclose(np.linalg.norm(codes, axis=1), np.sqrt(8), rtol=1e-5)
    assert np.abs(codes.mean(axis=0)).max() < 0.06
    assert np.abs(np.cov(codes.T) - np.eye(8)).max() < 0.1

"""Priors other than the standard normal: the cube, and the sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from equipoise.generators.base import Prior, StandardNormal
from equipoise.seeds import normal_rows

PRIORS = ("normal", "uniform", "spherical")


@dataclass(frozen=True)
class Uniform:
    """Independent values, uniform in [-1, 1].

    Examples
    --------
    >>> bool(np.abs(Uniform(3).codes(seed=0, start=0, stop=100)).max() <= 1)
    True
    """

    dim: int

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32.

        They are 2 Phi(x) - 1 of the standard normal values x of the same seed.
        """
        return np.asarray(2 * ndtr(normal_rows(seed, start, stop, self.dim)) - 1, np.float32)

    def log_density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the natural logarithm of the density at each code, shape (n,); -inf outside."""
        inside = (np.abs(codes) <= 1).all(axis=1)
        return np.where(inside, -self.dim * np.log(2), -np.inf)


@dataclass(frozen=True)
class Spherical:
    """Directions, uniform on the sphere of radius sqrt(dim).

    That is where the "pixel norm" of progressive GANs puts codes (Karras et al. 2018, arXiv
    1710.10196, section 4.2).
    """

    dim: int

    def codes(self, seed: int, start: int, stop: int) -> NDArray[np.float32]:
        """Return codes [start, stop) of the seed, shape (stop - start, dim), float32."""
        rows = normal_rows(seed, start, stop, self.dim)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows * (np.sqrt(self.dim) / norms), np.float32)

    def log_density(self, codes: NDArray[np.float32]) -> None:
        """Return None: a sphere has no volume."""


def prior_of(name: str, dim: int) -> Prior:
    """Return the prior, of `PRIORS`, over codes of `dim` values."""
    kinds: dict[str, type[StandardNormal] | type[Uniform] | type[Spherical]] = {
        "normal": StandardNormal,
        "uniform": Uniform,
        "spherical": Spherical,
    }
    return kinds[name](dim)

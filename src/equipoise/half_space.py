"""Candidates from the half of the prior where a cell's codes lie.

Along the mean direction of what a cell accepts, nearly all of it lies beyond a threshold. A
standard normal prior can be drawn beyond a threshold directly: the part of a code along the
direction comes from the normal distribution cut off there, the rest is as it was (Robert 1995,
"Simulation of truncated normal variables"). So the candidates for a rare cell are codes of the
prior still, and most of the hopeless ones are never made. Other priors are drawn whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from equipoise.quantiles import weighted_quantile

LOST = 0.01
"""Share of a cell's acceptance that the threshold may cut off."""


@dataclass(frozen=True, eq=False)
class HalfSpaces:
    """A half-space for each cell, in which its candidates lie.

    Attributes
    ----------
    normals : numpy.ndarray, shape (K, dim), float32
        Of length 1.
    thresholds : numpy.ndarray, shape (K,), float64
        Least code . normal; -inf where candidates come from the whole prior.
    """

    normals: NDArray[np.float32]
    thresholds: NDArray[np.float64]

    @classmethod
    def whole(cls, cells: int, dim: int) -> HalfSpaces:
        """Return the whole prior for each cell."""
        return cls(np.zeros((cells, dim), np.float32), np.full(cells, -np.inf))

    def narrowed(self, cell: int, normal: NDArray[np.float32], threshold: float) -> HalfSpaces:
        """Return them with another half-space for one cell."""
        normals, thresholds = self.normals.copy(), self.thresholds.copy()
        normals[cell], thresholds[cell] = normal, threshold
        return HalfSpaces(normals, thresholds)

    def candidates(
        self, codes: NDArray[np.float32], cell: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Turn codes of the prior into codes of the prior within the cell's half-space.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32
        cell : int
        rng : numpy.random.Generator
            Gives n numbers.
        """
        threshold = self.thresholds[cell]
        if np.isneginf(threshold):
            return codes
        normal = self.normals[cell]
        along = -ndtri(ndtr(-threshold) * (1 - rng.random(len(codes))))
        step = along.astype(np.float32) - codes @ normal
        return np.asarray(codes + step[:, None] * normal)

    def mass(self) -> NDArray[np.float64]:
        """Return the prior's share in each half-space, shape (K,)."""
        return np.asarray(ndtr(-self.thresholds), np.float64)

    def hold(self, codes: NDArray[np.float32], cells: slice = slice(None)) -> NDArray[np.bool_]:
        """Tell which codes lie in the half-spaces of some cells, shape (n, cells)."""
        return np.asarray(codes @ self.normals[cells].T >= self.thresholds[cells])

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {"half_space.normals": self.normals, "half_space.thresholds": self.thresholds}


def half_space_of(
    codes: NDArray[np.float32], chances: NDArray[np.float64]
) -> tuple[NDArray[np.float32], float]:
    """Return normal and threshold of the half-space that holds nearly all of what is accepted.

    The normal is the direction of the mean accepted code. A code's own part in that mean makes it
    lie further along than others like it: by the square root of dim over the number of accepted
    codes, which is much where codes are wide. For the threshold, each is therefore placed along
    the mean of the others.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    chances : numpy.ndarray, shape (n,), float64
        Probability that each code is accepted, not all 0.
    """
    weights = chances.astype(np.float32)
    total = weights @ codes
    length = np.linalg.norm(total)
    if length < 1e-6 * chances.sum():
        return np.zeros(codes.shape[1], np.float32), -np.inf
    along = (codes @ total).astype(np.float64)
    squares = np.einsum("ij,ij->i", codes, codes).astype(np.float64)
    others = length**2 - 2 * chances * along + chances**2 * squares
    places = (along - chances * squares) / np.sqrt(np.maximum(others, 1e-12))
    return total / length, weighted_quantile(places, chances, LOST)

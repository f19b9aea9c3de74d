"""Cheap refusals of candidates, before a stage of the generator runs.

**Half-spaces.** Along the mean direction of what a cell accepts, nearly all of it lies beyond a
threshold. A standard normal prior can be drawn beyond a threshold directly: the part of a code
along the direction comes from the normal distribution cut off there, the rest is unchanged (Robert
1995, "Simulation of truncated normal variables"). The candidates are codes of the prior still, and
most of the hopeless ones are never made. Other priors are drawn whole.

**Prefilter.** A network of one hidden layer guesses P(cell | code) from the bare code, at a small
part of the cost of a stage. Raised by a margin, the guess gives an upper bound of the probability
of acceptance: a candidate is accepted with the smaller of the two probabilities, so one whose
uniform number lies above the bound is refused unread. Margins are set on codes that the network was
not fitted to. What both refuse of a cell is part of every statement about its draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import nn
from torch.nn import functional

from equipoise.core.parallel import batches
from equipoise.core.seeds import Stream, generator_for
from equipoise.samplers.descent import Descent

LOST_OUTSIDE = 0.0025
"""Share of the members of a cell that lies outside its half-space; chosen by hand."""


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
    def unrestricted(cls, cells: int, dim: int) -> HalfSpaces:
        """Return the whole prior for each cell."""
        return cls(np.zeros((cells, dim), np.float32), np.full(cells, -np.inf))

    def with_halfspace(
        self, cell: int, normal: NDArray[np.float32], threshold: float
    ) -> HalfSpaces:
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

    def prior_mass(self) -> NDArray[np.float64]:
        """Return the prior's share in each half-space, shape (K,)."""
        return np.asarray(ndtr(-self.thresholds), np.float64)

    def contains(self, codes: NDArray[np.float32], cells: slice = slice(None)) -> NDArray[np.bool_]:
        """Return which codes lie in the half-spaces of some cells, shape (n, cells)."""
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
    threshold = np.quantile(places, LOST_OUTSIDE, weights=chances, method="inverted_cdf")
    return total / length, float(threshold)


LOST_UNREAD = 0.0025
"""Share of the accepted members of a cell that the upper bounds cut off; chosen by hand."""

_HIDDEN = 256
_EPOCHS = 12
_BATCH = 512
_RATE = 3e-3
_HELD_OUT = 0.25
_LARGEST_MARGIN = 30.0
_LEAST_ACCEPTED = 5


@dataclass(frozen=True, eq=False)
class Prefilter:
    """Guesses of log P(cell | code) from bare codes.

    Attributes
    ----------
    weight1, bias1, weight2, bias2 : numpy.ndarray, float32
        Shapes (dim, H), (H,), (H, K), (K,).
    """

    weight1: NDArray[np.float32]
    bias1: NDArray[np.float32]
    weight2: NDArray[np.float32]
    bias2: NDArray[np.float32]

    def log_guesses(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the guesses for all cells, shape (n, K)."""
        weights = map(torch.from_numpy, (self.weight1, self.bias1, self.weight2, self.bias2))
        weight1, bias1, weight2, bias2 = weights
        with torch.inference_mode():
            hidden = torch.addmm(bias1, torch.from_numpy(codes), weight1).relu_()
            return functional.logsigmoid(torch.addmm(bias2, hidden, weight2)).numpy()

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {f"prefilter.{name}": value for name, value in vars(self).items()}


def held_out_rows(n: int, seed: int) -> NDArray[np.bool_]:
    """Return which of n codes the prefilter of a seed is not fitted to, shape (n,)."""
    return generator_for(seed, Stream.PREFILTER_FIT, 0).random(n) < _HELD_OUT


def fit_prefilter(codes: NDArray[np.float32], log_h: NDArray[np.float32], seed: int) -> Prefilter:
    """Fit the prefilter to codes that the latent classifier has read.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_h : numpy.ndarray, shape (n, K), float32
        log P(cell | code) by the latent classifier.
    seed : int
        Of initial weights, order, and the codes that are left out (`held_out_rows`).
    """
    fitted = np.flatnonzero(~held_out_rows(len(codes), seed))
    targets = torch.from_numpy(np.exp(log_h[fitted]).astype(np.float32))
    rows = torch.from_numpy(codes[fitted])
    with torch.random.fork_rng():
        torch.manual_seed(int(generator_for(seed, Stream.PREFILTER_FIT, 1).integers(2**31)))
        network = nn.Sequential(
            nn.Linear(codes.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, targets.shape[1])
        )
        steps = _EPOCHS * -(-len(fitted) // _BATCH)
        descent = Descent(network.parameters(), rate=_RATE, steps=steps)
        for _ in range(_EPOCHS):
            order = torch.randperm(len(fitted))
            for low, high in batches(0, len(fitted), _BATCH):
                chosen = order[low:high]
                logits = network(rows[chosen])
                descent.step(functional.binary_cross_entropy_with_logits(logits, targets[chosen]))
    state = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return Prefilter(
        state["0.weight"].T.copy(),
        state["0.bias"],
        state["2.weight"].T.copy(),
        state["2.bias"],
    )


def fit_margin(
    bound: Callable[[float], NDArray[np.float64]],
    log_accepted: NDArray[np.float64],
    log_h: NDArray[np.floating],
) -> float:
    """Return the least margin whose bounds cut off `LOST_UNREAD` of the accepted members.

    Parameters
    ----------
    bound : callable
        From a margin to the upper bounds of the log-probability of acceptance, shape (n,).
    log_accepted : numpy.ndarray, shape (n,), float64
        Log-probability of acceptance of codes that are drawn as candidates are, and that the
        prefilter was not fitted to.
    log_h : numpy.ndarray, shape (n,)
        Their log P(cell | code).
    """
    accepted, h = np.exp(log_accepted), np.exp(log_h.astype(np.float64))
    allowed = LOST_UNREAD * (h * accepted).sum()
    low, high = -_LARGEST_MARGIN, _LARGEST_MARGIN
    # With too few accepted members to know, nothing is dropped.
    if (h * accepted).sum() < _LEAST_ACCEPTED:
        return high
    while high - low > 1e-3:
        middle = (low + high) / 2
        cut = (h * np.maximum(accepted - np.exp(bound(middle)), 0)).sum()
        low, high = (low, middle) if cut <= allowed else (middle, high)
    return high

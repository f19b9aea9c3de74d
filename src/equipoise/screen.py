"""A quick guess of the latent classifier from the bare code, to drop hopeless candidates early.

For a rare cell most candidates are refused. A network of one hidden layer learns log h from codes
that the latent classifier has read; it needs no labels and no stem, so it costs a thirtieth.
A candidate is dropped when its guess lies below those of 99 % of the accepted codes; the rest are
judged by the latent classifier itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from equipoise.workers import batches

LOST = 0.01
"""Share of a cell's acceptable codes that the screen may drop."""

_HIDDEN = 128
_EPOCHS = 12
_BATCH = 512
_LEAST_LOG = -10.0


@dataclass(frozen=True, eq=False)
class Screen:
    """Guesses log h of every cell from codes, and knows where each cell's accepted codes begin.

    Attributes
    ----------
    weight1, bias1, weight2, bias2 : numpy.ndarray, float32
        Shapes (dim, H), (H,), (H, K), (K,).
    least : numpy.ndarray, shape (K,), float32
        Guesses below it are dropped.
    """

    weight1: NDArray[np.float32]
    bias1: NDArray[np.float32]
    weight2: NDArray[np.float32]
    bias2: NDArray[np.float32]
    least: NDArray[np.float32]

    def guess(self, codes: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
        """Return the guessed log h of one cell, shape (n,)."""
        weight, bias = torch.from_numpy(self.weight1), torch.from_numpy(self.bias1)
        column = torch.from_numpy(self.weight2[:, cell].copy())
        with torch.inference_mode():
            hidden = torch.addmm(bias, torch.from_numpy(codes), weight).relu_()
            guess: NDArray[np.float32] = (hidden @ column).numpy() + self.bias2[cell]
        return guess

    def passes(self, codes: NDArray[np.float32], cell: int) -> NDArray[np.bool_]:
        """Tell which codes are worth the latent classifier's look, shape (n,)."""
        return np.asarray(self.guess(codes, cell) >= self.least[cell])


def fit_screen(
    codes: NDArray[np.float32],
    log_h: NDArray[np.float32],
    accepted: NDArray[np.float64],
    seed: int,
) -> Screen:
    """Fit the screen to codes that the latent classifier has read.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_h : numpy.ndarray, shape (n, K), float32
    accepted : numpy.ndarray, shape (n, K), float64
        Probability that each cell accepts the code.
    seed : int
        Of initial weights and order.
    """
    targets = torch.from_numpy(np.maximum(log_h, _LEAST_LOG))
    rows = torch.from_numpy(codes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(codes.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, log_h.shape[1])
        )
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS)
        for _ in range(_EPOCHS):
            order = torch.randperm(len(codes))
            for low, high in batches(0, len(codes), _BATCH):
                chosen = order[low:high]
                loss = functional.mse_loss(network(rows[chosen]), targets[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
    with torch.inference_mode():
        guesses = network(rows).numpy()
    least = [_weighted_quantile(*columns) for columns in zip(guesses.T, accepted.T, strict=True)]
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    return Screen(
        state["0.weight"].T.copy(),
        state["0.bias"],
        state["2.weight"].T.copy(),
        state["2.bias"],
        np.array(least, np.float32),
    )


def _weighted_quantile(values: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    """Return the value below which `LOST` of the weight lies; infinite without any weight."""
    order = np.argsort(values)
    mass = weights[order].cumsum()
    if mass[-1] <= 0:
        return float("inf")
    return float(values[order[np.searchsorted(mass, LOST * mass[-1])]])

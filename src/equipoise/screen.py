"""A quick guess of the chance of acceptance from the bare code, to drop hopeless candidates early.

For a rare cell most candidates are refused. A network of one hidden layer learns the chance from
codes that the latent classifier has read; it needs no labels and no stem, so it costs a thirtieth.
Raised by a margin, its guess is a ceiling: a candidate whose lot lies above it is refused unread.
The margin is set on codes that the network was not fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import nn
from torch.nn import functional

from equipoise.seeds import Stream, generator_for
from equipoise.workers import batches

LOST = 0.03
"""Share of a cell's acceptance that the ceilings may cut off."""

_HIDDEN = 256
_EPOCHS = 12
_BATCH = 512
_HELD_OUT = 0.25
_LARGEST_MARGIN = 30.0
_LEAST_ACCEPTED = 5


@dataclass(frozen=True, eq=False)
class Screen:
    """Ceilings of the log chance of acceptance, from bare codes.

    Attributes
    ----------
    weight1, bias1, weight2, bias2 : numpy.ndarray, float32
        Shapes (dim, H), (H,), (H, K), (K,).
    margins : numpy.ndarray, shape (K,), float32
    """

    weight1: NDArray[np.float32]
    bias1: NDArray[np.float32]
    weight2: NDArray[np.float32]
    bias2: NDArray[np.float32]
    margins: NDArray[np.float32]

    def ceilings(self, codes: NDArray[np.float32], cells: slice) -> NDArray[np.float32]:
        """Return the ceilings of some cells' log chances, shape (n, cells)."""
        weight, bias = torch.from_numpy(self.weight1), torch.from_numpy(self.bias1)
        columns = torch.from_numpy(np.ascontiguousarray(self.weight2[:, cells]))
        with torch.inference_mode():
            hidden = torch.addmm(bias, torch.from_numpy(codes), weight).relu_()
            logits = hidden @ columns + torch.from_numpy(self.bias2[cells])
            log_guesses: NDArray[np.float32] = functional.logsigmoid(logits).numpy()
        return log_guesses + self.margins[cells]

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {f"screen.{name}": value for name, value in vars(self).items()}


def fit_screen(
    codes: NDArray[np.float32],
    log_chances: NDArray[np.float64],
    own: Sequence[NDArray[np.int64]],
    seed: int,
) -> Screen:
    """Fit the screen to codes that the latent classifier has read.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_chances : numpy.ndarray, shape (n, K), float64
        Logarithm of the probability that each cell accepts the code; -inf where it never does.
    own : sequence of numpy.ndarray, int64
        For each cell the rows that are drawn as its candidates are.
    seed : int
        Of initial weights and order.
    """
    held_out = generator_for(seed, Stream.SPLIT, 1).random(len(codes)) < _HELD_OUT
    fitted = np.flatnonzero(~held_out)
    targets = torch.from_numpy(np.exp(log_chances[fitted]).astype(np.float32))
    rows = torch.from_numpy(codes[fitted])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(codes.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, targets.shape[1])
        )
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _EPOCHS)
        for _ in range(_EPOCHS):
            order = torch.randperm(len(fitted))
            for low, high in batches(0, len(fitted), _BATCH):
                chosen = order[low:high]
                logits = network(rows[chosen])
                loss = functional.binary_cross_entropy_with_logits(logits, targets[chosen])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    plain = Screen(
        state["0.weight"].T.copy(),
        state["0.bias"],
        state["2.weight"].T.copy(),
        state["2.bias"],
        np.zeros(targets.shape[1], np.float32),
    )
    margins = []
    for cell, candidates in enumerate(own):
        judged = candidates[held_out[candidates]]
        guesses = plain.ceilings(codes[judged], slice(cell, cell + 1))[:, 0]
        margins.append(_margin(guesses, log_chances[judged, cell]))
    return replace(plain, margins=np.array(margins, np.float32))


def _margin(guesses: NDArray[np.float32], log_chances: NDArray[np.float64]) -> float:
    """Return what to add to the log guesses so that the ceiling cuts `LOST` of the acceptance."""
    chances = np.exp(log_chances)
    allowed = LOST * chances.sum()

    def excess(margin: float) -> float:
        cut = np.maximum(chances - np.exp(np.minimum(guesses + margin, 0)), 0).sum()
        return float(cut - allowed)

    # Without enough accepted codes to tell, nothing is dropped.
    few = chances.sum() < _LEAST_ACCEPTED
    if few or excess(-_LARGEST_MARGIN) < 0 or excess(_LARGEST_MARGIN) > 0:
        return _LARGEST_MARGIN
    return float(brentq(excess, -_LARGEST_MARGIN, _LARGEST_MARGIN, xtol=1e-3))

"""The latent classifier: P(cell | code), read from the generator's first stage.

A small network on stage features: a 1x1 convolution where the stage is spatial, a hidden layer, and
three heads.

- **Scores.** The classifiers' scores (an angle, a probability) say how far a code is from the
  border of a level, which the level alone does not. Where the levels of an attribute are intervals
  of its score, the network predicts the distribution of the score, a logistic one, and the
  probability of a level is that of its interval.
- **Levels.** Logits of the levels, added to those that follow from the scores.
- **Cells.** The logit of a cell is the sum of those of its levels and a small one of its own, so
  that a rare cell learns from all cells that share a level with it.

The networks are fitted crosswise: those of fold f have not seen the labels of fold f. Draws take
the folds in turn, one a block, so what the labels of a fold say about the networks of that fold
holds for the draws (Chernozhukov et al. 2018, arXiv 1608.00060, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.files import stored_array

UNIT_LOGISTIC = math.pi / math.sqrt(3)
"""A logistic distribution of this rate has variance 1."""

_HIDDEN = 128
_FREE_LOGIT = 0.3
"""Part of the free logits beside those of a score; chosen by hand, on labels of no benchmark."""

_OWN_LOGIT = 0.1
"""Part of a cell's own logit beside those of its levels; chosen by hand."""

_LEAST_SCALE = 0.05
"""Least scale of a predicted score, whose variance over the labels is 1."""

_LEAST_PROBABILITY = 1e-6
"""Of an interval of the score, so that its logarithm is bounded."""

_LARGEST_STAGE = 2**20
_MOST_NETWORKS = 64
_MOST_CHANNELS = 1024

Bounds = NDArray[np.float32]
"""Interval of the score of each level, shape (L, 2); (0, 0) where its attribute has none."""


def output_sizes(grid: AttributeGrid) -> tuple[int, int, int]:
    """Return the sizes of the heads: levels, cells, and two numbers a score."""
    return sum(grid.shape), grid.size, 2 * len(grid.attributes)


class Heads:
    """From the outputs of the heads to log-probabilities of cells; without weights of its own."""

    def __init__(self, grid: AttributeGrid, bounds: Bounds) -> None:
        self._sizes = output_sizes(grid)
        starts = np.cumsum([0, *grid.shape[:-1]])
        self._levels_of_cell = torch.from_numpy(grid.levels + starts)
        self._attribute_of_level = torch.from_numpy(
            np.repeat(np.arange(len(grid.shape)), grid.shape)
        )
        self._bounds = torch.from_numpy(bounds)
        self._has_interval = self._bounds[:, 0] < self._bounds[:, 1]
        self._part = torch.where(self._has_interval, _FREE_LOGIT, 1.0)

    def __call__(self, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return cell logits, shape (..., K), and location and scale of each score, (..., A)."""
        free, own, scores = torch.split(outputs, list(self._sizes), dim=-1)
        location, raw = scores.chunk(2, dim=-1)
        scale = functional.softplus(raw) + _LEAST_SCALE
        logits = self._part * free
        if self._has_interval.any():
            at, spread = (
                location[..., self._attribute_of_level],
                scale[..., self._attribute_of_level],
            )
            rate = UNIT_LOGISTIC / spread
            low = torch.sigmoid(rate * (self._bounds[:, 0] - at))
            high = torch.sigmoid(rate * (self._bounds[:, 1] - at))
            interval = torch.log((high - low).clamp_min(_LEAST_PROBABILITY))
            logits = logits + torch.where(self._has_interval, interval, 0.0)
        return logits[..., self._levels_of_cell].sum(dim=-1) + _OWN_LOGIT * own, location, scale


class Networks(nn.Module):
    """M networks side by side, so that a few large products serve them all.

    Each goes from stage features, channels last, to the outputs of the heads.

    Parameters
    ----------
    shape : sequence of int
        Of the features of one code: (C, h, w), or (C,).
    grid : AttributeGrid
    count : int
        M.
    channels : int
        That the convolution keeps, where the stage is spatial.
    """

    def __init__(
        self, shape: Sequence[int], grid: AttributeGrid, count: int, channels: int
    ) -> None:
        super().__init__()
        self.spatial = len(shape) == 3
        width = shape[0]
        if self.spatial:
            self.reduce = nn.Parameter(torch.zeros(count, shape[0], channels))
            self.reduce_offset = nn.Parameter(torch.zeros(count, channels))
            width = channels * shape[1] * shape[2]
        self.hidden = nn.Parameter(torch.zeros(count, width, _HIDDEN))
        self.hidden_offset = nn.Parameter(torch.zeros(count, 1, _HIDDEN))
        self.heads = nn.Parameter(torch.zeros(count, _HIDDEN, sum(output_sizes(grid))))
        self.heads_offset = nn.Parameter(torch.zeros(count, 1, sum(output_sizes(grid))))

    def initialise(self, rng: torch.Generator) -> None:
        """Draw initial weights, uniform within 1 / sqrt(inputs) as those of `torch.nn.Linear`."""
        for name in ("reduce", "hidden", "heads") if self.spatial else ("hidden", "heads"):
            weight = getattr(self, name)
            reach = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -reach, reach, generator=rng)
            nn.init.uniform_(getattr(self, f"{name}_offset"), -reach, reach, generator=rng)

    def forward(
        self, features: torch.Tensor, hidden_kept: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the outputs of the heads, shape (M, n, outputs).

        Parameters
        ----------
        features : torch.Tensor, shape (n, h * w, C) or (n, C)
        hidden_kept : torch.Tensor, shape (M, n, H), optional
            Mask of dropout.
        """
        count, members = len(features), len(self.hidden)
        if self.spatial:
            kernels = self.reduce.permute(1, 0, 2).reshape(self.reduce.shape[1], -1)
            rows = features.reshape(-1, features.shape[-1])
            reduced = torch.addmm(self.reduce_offset.flatten(), rows, kernels).relu()
            places = reduced.view(count, -1, members, self.reduce.shape[2]).permute(2, 0, 1, 3)
            x = places.reshape(members, count, -1)
        else:
            x = features.expand(members, -1, -1)
        hidden = torch.baddbmm(self.hidden_offset, x, self.hidden).relu()
        if hidden_kept is not None:
            hidden = hidden * hidden_kept
        return torch.baddbmm(self.heads_offset, hidden, self.heads)


def channels_last(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return stage features, shape (n, C, h, w) or (n, C), with channels last: (n, h * w, C)."""
    if features.ndim == 2:
        return features
    return features.transpose(0, 2, 3, 1).reshape(len(features), -1, features.shape[1])


@dataclass(frozen=True, eq=False)
class LatentClassifier:
    """P(cell | code) by networks that were fitted crosswise.

    Attributes
    ----------
    grid : AttributeGrid
        The cells, K of them.
    stage_shape : tuple of int
        Shape of the stage features of one code: (C, h, w) or (C,).
    mean, scale : numpy.ndarray, shape (C,), float32
        Features are standardised as (feature - mean) * scale.
    bounds : numpy.ndarray, shape (L, 2), float32
        Interval of the score of each level; (0, 0) where its attribute has none.
    networks : tuple of Networks
        R times one network for each of F folds, in evaluation mode.
    temperature : float
        Logits are divided by it, so that probabilities are calibrated on held-out codes.
    """

    grid: AttributeGrid
    stage_shape: tuple[int, ...]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    bounds: Bounds
    networks: tuple[Networks, ...]
    temperature: float = 1.0

    @property
    def folds(self) -> int:
        """Number of folds, F."""
        return len(self.networks[0].hidden)

    @cached_property
    def _by_fold(self) -> tuple[Networks, ...]:
        """For each fold its R networks, which take features that are not standardised."""
        mean, scale = torch.from_numpy(self.mean), torch.from_numpy(self.scale)
        found = []
        for fold in range(self.folds):
            state = {
                name: torch.stack([one.state_dict()[name][fold] for one in self.networks])
                for name in self.networks[0].state_dict()
            }
            first = "reduce" if "reduce" in state else "hidden"
            weight = state[first] * scale[:, None]
            shift = torch.einsum("c,mch->mh", mean, weight)
            offset = state[f"{first}_offset"]
            state |= {first: weight, f"{first}_offset": offset - shift.view(offset.shape)}
            channels = state[first].shape[-1]
            own = Networks(self.stage_shape, self.grid, len(self.networks), channels)
            own.load_state_dict(state)
            found.append(own.requires_grad_(False))
        return tuple(found)

    @cached_property
    def _heads(self) -> Heads:
        return Heads(self.grid, self.bounds)

    def log_probabilities(
        self, features: NDArray[np.float32], folds: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return log P(cell | code), each code by the networks of one fold.

        Parameters
        ----------
        features : numpy.ndarray, shape (n, *stage_shape), float32
        folds : numpy.ndarray, shape (n,), int64
            Fold whose networks read the code, in [0, F).

        Returns
        -------
        numpy.ndarray, shape (n, K), float32
        """
        rows = channels_last(features)
        found = np.empty((len(rows), self.grid.size), np.float32)
        for fold in np.unique(folds):
            chosen = folds == fold
            found[chosen] = self._of_fold(rows[chosen], fold)
        return found

    def by_fold(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log P(cell | code) by the networks of every fold, shape (F, n, K), float32."""
        rows = np.ascontiguousarray(channels_last(features))
        return np.stack([self._of_fold(rows, fold) for fold in range(self.folds)])

    def _of_fold(self, rows: NDArray[np.float32], fold: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits, _, _ = self._heads(self._by_fold[fold](torch.from_numpy(rows)))
            mean = functional.log_softmax(logits, dim=2).mean(dim=0) / self.temperature
            return functional.log_softmax(mean, dim=1).numpy()

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays to store, by name."""
        arrays = {
            f"networks{i}.{name}": value.numpy()
            for i, networks in enumerate(self.networks)
            for name, value in networks.state_dict().items()
        }
        return {
            **arrays,
            "latent.mean": self.mean,
            "latent.scale": self.scale,
            "latent.bounds": self.bounds,
        }

    def parameters(self) -> dict[str, object]:
        """Return the numbers to store beside the arrays, JSON values."""
        return {
            "temperature": self.temperature,
            "stage_shape": list(self.stage_shape),
            "folds": self.folds,
            "members": len(self.networks),
        }


def latent_from_tensors(
    tensors: Mapping[str, NDArray[np.float32]],
    parameters: Mapping[str, Any],
    grid: AttributeGrid,
    where: str,
) -> LatentClassifier:
    """Rebuild the classifier from stored arrays and numbers.

    Raises
    ------
    FileFormatError
        When an array is missing, of a wrong shape, or not finite.
    """
    remedy = "Make the sampler again."
    shape = tuple(int(size) for size in parameters["stage_shape"])
    if not (len(shape) in (1, 3) and all(0 < size <= _LARGEST_STAGE for size in shape)):
        raise FileFormatError(where, "must have a stage of 1 or 3 sizes", shape, remedy)
    folds, members = int(parameters["folds"]), int(parameters["members"])
    if not (folds > 0 and members > 0 and folds * members <= _MOST_NETWORKS):
        rule = f"must have 1 to {_MOST_NETWORKS} networks"
        raise FileFormatError(where, rule, f"{folds} x {members}", remedy)

    def rebuilt(i: int) -> Networks:
        prefix = f"networks{i}."
        state = {
            name.removeprefix(prefix): torch.tensor(np.asarray(array, np.float32))
            for name, array in tensors.items()
            if name.startswith(prefix)
        }
        sizes = state["reduce"].shape if "reduce" in state else (1,)
        if not (len(sizes) in (1, 3) and 0 < sizes[-1] <= _MOST_CHANNELS):
            rule = f"must have 1 to {_MOST_CHANNELS} channels"
            raise FileFormatError(where, rule, tuple(sizes), remedy)
        with torch.device("meta"):  # Sizes that a file claims take no memory.
            networks = Networks(shape, grid, folds, sizes[-1])
        try:
            networks.load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise FileFormatError(
                where, "must hold the arrays of the latent classifier", str(error)[:200], remedy
            ) from error
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise FileFormatError(
                where, "must hold finite arrays of the latent classifier", "NaN", remedy
            )
        return networks.requires_grad_(False)

    expected = {
        "latent.mean": (shape[0],),
        "latent.scale": (shape[0],),
        "latent.bounds": (sum(grid.shape), 2),
    }
    mean, scale, bounds = (
        np.asarray(stored_array(tensors, name, size, where), np.float32)
        for name, size in expected.items()
    )
    networks = tuple(rebuilt(i) for i in range(members))
    temperature = float(parameters["temperature"])
    return LatentClassifier(grid, shape, mean, scale, bounds, networks, temperature)

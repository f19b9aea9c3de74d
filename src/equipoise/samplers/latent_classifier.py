"""The latent classifier: P(cell | code), read from the generator's stem at a fraction of its cost.

A small network on stem features: a 1x1 convolution where the stem is spatial, a hidden layer, and
three heads. The logit of a cell is the sum of the logits of its levels and one of its own, so that
a rare cell learns from all cells that share a level with it. The third head predicts the
classifiers' scores (an angle, a probability): they tell how far a code is from a level's border,
which the level alone does not.
"""

from __future__ import annotations

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

FOLDS = 3
_CHANNELS, _HIDDEN = 32, 128
_LARGEST_STEM = 2**20
_OWN_LOGIT = 0.1


class Network(nn.Module):
    """One member: stem features to cell logits and standardised scores."""

    level_of_cell: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, shape: Sequence[int], grid: AttributeGrid) -> None:
        super().__init__()
        if len(shape) == 3:
            self.reduce: nn.Module = nn.Conv2d(shape[0], _CHANNELS, 1)
            width = _CHANNELS * shape[1] * shape[2]
        else:
            self.reduce = nn.Identity()
            width = int(np.prod(shape))
        self.hidden = nn.Linear(width, _HIDDEN)
        self.levels = nn.Linear(_HIDDEN, sum(grid.shape))
        self.cells = nn.Linear(_HIDDEN, grid.size)
        self.scores = nn.Linear(_HIDDEN, len(grid.attributes))
        starts = np.cumsum([0, *grid.shape[:-1]])
        self.register_buffer("level_of_cell", torch.from_numpy(grid.levels + starts))
        self.register_buffer("mean", torch.zeros(shape[0]))
        self.register_buffer("scale", torch.ones(shape[0]))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cell logits, shape (n, K), and guessed scores, shape (n, A)."""
        per_channel = (-1,) + (1,) * (features.ndim - 2)
        x = (features - self.mean.view(per_channel)) * self.scale.view(per_channel)
        x = functional.relu(self.reduce(x)).flatten(1) if x.ndim == 4 else x
        x = functional.dropout(functional.relu(self.hidden(x)), 0.3, self.training)
        levels = self.levels(x)[:, self.level_of_cell].sum(dim=2)
        return levels + _OWN_LOGIT * self.cells(x), self.scores(x)


@dataclass(frozen=True, eq=False)
class _Stacked:
    """All members side by side, M of them, so that a few large products serve them all.

    The input's standardisation is folded into the first layer, and the two heads into one. Channels
    come last, as the stem's memory has them.
    """

    reduce: torch.Tensor | None
    offset: torch.Tensor | None
    hidden: torch.Tensor
    hidden_offset: torch.Tensor
    head: torch.Tensor
    head_offset: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (M, n, K)."""
        count, members = len(features), len(self.hidden)
        if self.reduce is not None and self.offset is not None:
            rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
            reduced = torch.addmm(self.offset, rows, self.reduce).relu_()
            places = reduced.view(count, -1, members, _CHANNELS).permute(2, 0, 1, 3)
            x = places.reshape(members, count, -1)
        else:
            x = features.flatten(1).expand(members, -1, -1)
        hidden = torch.baddbmm(self.hidden_offset, x, self.hidden).relu_()
        return torch.baddbmm(self.head_offset, hidden, self.head)


def _stack(members: Sequence[Network], grid: AttributeGrid) -> _Stacked:
    reduce = offset = None
    hidden, hidden_offset, head, head_offset = [], [], [], []
    first = [m.reduce for m in members]
    convolutions = [layer for layer in first if isinstance(layer, nn.Conv2d)]
    if convolutions:
        pairs = list(zip(convolutions, members, strict=True))
        kernels = [layer.weight[:, :, 0, 0] * m.scale for layer, m in pairs]
        biases = [layer.bias for layer in convolutions if layer.bias is not None]
        reduce = torch.cat(kernels).T.contiguous()
        shifts = [kernel @ m.mean for kernel, m in zip(kernels, members, strict=True)]
        offset = torch.cat(biases) - torch.cat(shifts)
    for m in members:
        weight: torch.Tensor = m.hidden.weight
        bias: torch.Tensor = m.hidden.bias
        if convolutions:
            # From channel-first to channel-last order of the reduced features.
            weight = weight.view(_HIDDEN, _CHANNELS, -1).transpose(1, 2).reshape(_HIDDEN, -1)
        else:
            weight, bias = weight * m.scale, bias - weight @ (m.scale * m.mean)
        hidden.append(weight.T)
        hidden_offset.append(bias[None])
        levels = m.levels.weight[m.level_of_cell].sum(dim=1) + _OWN_LOGIT * m.cells.weight
        head.append(levels.T)
        own = m.levels.bias[m.level_of_cell].sum(dim=1) + _OWN_LOGIT * m.cells.bias
        head_offset.append(own[None])
    return _Stacked(reduce, offset, *map(torch.stack, (hidden, hidden_offset, head, head_offset)))


@dataclass(frozen=True, eq=False)
class LatentClassifier:
    """P(cell | code) as the mean over members fitted crosswise.

    Attributes
    ----------
    groups : AttributeGrid
        The cells.
    stem_shape : tuple of int
        Shape of one code's stem features.
    members : tuple of torch.nn.Module
        In evaluation mode.
    temperature : float
        Logits are divided by it, so that probabilities are calibrated on held-out codes.
    """

    grid: AttributeGrid
    stem_shape: tuple[int, ...]
    members: tuple[Network, ...]
    temperature: float

    @cached_property
    def _stacked(self) -> _Stacked:
        return _stack(self.members, self.grid)

    def log_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log P(cell | code) from stem features, shape (n, K), float32."""
        with torch.inference_mode():
            logits = self._stacked(torch.from_numpy(features))
            mean = functional.log_softmax(logits, dim=2).mean(dim=0) / self.temperature
            return functional.log_softmax(mean, dim=1).numpy()

    def by_member(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log P(cell | code) by each member alone, shape (M, n, K), float32."""
        with torch.inference_mode():
            logits = self._stacked(torch.from_numpy(features))
            return functional.log_softmax(logits / self.temperature, dim=2).numpy()

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays to store, by name."""
        return {
            f"member{i}.{name}": value.numpy()
            for i, member in enumerate(self.members)
            for name, value in member.state_dict().items()
            if name != "level_of_cell"
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
    shape = tuple(int(size) for size in parameters["stem_shape"])
    if not (len(shape) in (1, 3) and all(0 < size <= _LARGEST_STEM for size in shape)):
        raise FileFormatError(where, "must have a stem of 1 or 3 sizes", shape, remedy)
    members = []
    for i in range(FOLDS):
        prefix = f"member{i}."
        state = {
            name.removeprefix(prefix): torch.from_numpy(array)
            for name, array in tensors.items()
            if name.startswith(prefix)
        }
        network = Network(shape, grid)
        try:
            found = network.load_state_dict(state, strict=False)
        except RuntimeError as error:
            raise FileFormatError(
                where, "must hold the latent classifier's arrays", str(error)[:200], remedy
            ) from error
        finite = all(bool(torch.isfinite(value).all()) for value in state.values())
        if found.unexpected_keys or found.missing_keys != ["level_of_cell"] or not finite:
            raise FileFormatError(
                where, "must hold the latent classifier's arrays", "others, or NaN", remedy
            )
        members.append(network.eval().requires_grad_(False))
    return LatentClassifier(grid, shape, tuple(members), float(parameters["temperature"]))

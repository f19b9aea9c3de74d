"""The latent classifier: P(cell | code), read from the generator's stem at a fraction of its cost.

A small network on stem features: a 1x1 convolution where the stem is spatial, a hidden layer, and
three heads. The logit of a cell is the sum of the logits of its levels and one of its own, so that
a rare cell learns from all cells that share a level with it. The third head predicts the
classifiers' scores (an angle, a probability): they tell how far a code is from a level's border,
which the level alone does not.

Networks are fitted crosswise: each on all folds but one. What they say of the fold left out is
honest, and serves to stop early, to set the temperature, and to choose the tilt; their mean is
the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import entropy
from torch import nn
from torch.nn import functional

from equipoise.errors import FileFormatError
from equipoise.groups import UNKNOWN, Groups
from equipoise.labels import Labels
from equipoise.progress import Progress, silent
from equipoise.seeds import Stream, generator_for
from equipoise.workers import batches

Stem = Callable[[NDArray[np.float32]], NDArray[np.float32]]

FOLDS = 3
_CHANNELS, _HIDDEN = 32, 128
_LARGEST_STEM = 2**20
_BATCH = 256
_OWN_LOGIT = 0.1
_MOST_EPOCHS, _PATIENCE = 40, 4
_SCORE_WEIGHT = 1.0


class _Network(nn.Module):
    """One member: stem features to cell logits and standardised scores."""

    level_of_cell: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, shape: Sequence[int], groups: Groups) -> None:
        super().__init__()
        if len(shape) == 3:
            self.reduce: nn.Module = nn.Conv2d(shape[0], _CHANNELS, 1)
            width = _CHANNELS * shape[1] * shape[2]
        else:
            self.reduce = nn.Identity()
            width = int(np.prod(shape))
        self.hidden = nn.Linear(width, _HIDDEN)
        self.levels = nn.Linear(_HIDDEN, sum(groups.shape))
        self.cells = nn.Linear(_HIDDEN, groups.size)
        self.scores = nn.Linear(_HIDDEN, len(groups.attributes))
        starts = np.cumsum([0, *groups.shape[:-1]])
        self.register_buffer("level_of_cell", torch.from_numpy(groups.levels + starts))
        self.register_buffer("mean", torch.zeros(shape[0]))
        self.register_buffer("scale", torch.ones(shape[0]))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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


def _stack(members: Sequence[_Network], groups: Groups) -> _Stacked:
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
    groups : Groups
        The cells.
    stem_shape : tuple of int
        Shape of one code's stem features.
    members : tuple of torch.nn.Module
        In evaluation mode.
    temperature : float
        Logits are divided by it, so that probabilities are calibrated on held-out codes.
    """

    groups: Groups
    stem_shape: tuple[int, ...]
    members: tuple[_Network, ...]
    temperature: float

    @cached_property
    def _stacked(self) -> _Stacked:
        return _stack(self.members, self.groups)

    def log_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log P(cell | code) from stem features, shape (n, K), float32."""
        with torch.inference_mode():
            logits = self._stacked(torch.from_numpy(features))
            mean = functional.log_softmax(logits, dim=2).mean(dim=0) / self.temperature
            return functional.log_softmax(mean, dim=1).numpy()

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
    groups: Groups,
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
        network = _Network(shape, groups)
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
    return LatentClassifier(groups, shape, tuple(members), float(parameters["temperature"]))


@dataclass(frozen=True)
class LatentQuality:
    """What the latent classifier knows of codes that it had not seen; nats, lower is better.

    Attributes
    ----------
    loss, base : float
        Negative log-likelihood of the cells, and that of the cells' shares alone.
    attributes : tuple of (str, float, float)
        Each attribute with the same two numbers.
    reliability : tuple of (float, float, int)
        For bins of the most probable cell's probability: its mean, how often that cell came out,
        and the codes in the bin. Calibrated probabilities have the first two alike.
    temperature : float
    """

    loss: float
    base: float
    attributes: tuple[tuple[str, float, float], ...]
    reliability: tuple[tuple[float, float, int], ...]
    temperature: float


@dataclass(frozen=True, eq=False)
class LatentFit:
    """A latent classifier with what it said of codes that it had not seen.

    Attributes
    ----------
    classifier : LatentClassifier
    held_out : numpy.ndarray, shape (n, K), float32
        Calibrated log P(cell | code) of each labelled code, by the member that was not fitted on
        it.
    quality : LatentQuality
    """

    classifier: LatentClassifier
    held_out: NDArray[np.float32]
    quality: LatentQuality


def fit_latent(
    stem: Stem,
    codes: NDArray[np.float32],
    labels: Labels,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> LatentFit:
    """Fit the latent classifier to labelled codes.

    Parameters
    ----------
    stem : callable
        `generator.stem`.
    codes : numpy.ndarray, shape (n, dim), float32
    labels : Labels
        Of the codes; rows with an unknown level are left out of fitting.
    seed : int
        Of folds, initial weights and order.
    """
    rng = generator_for(seed, Stream.FIT, 1)
    folds = rng.integers(FOLDS, size=len(codes))
    known = labels.cells != UNKNOWN
    scores = _standardise(labels.scores)
    shape = stem(codes[:1]).shape[1:]
    members, held_out = [], np.zeros((len(codes), labels.groups.size), np.float32)
    for fold in range(FOLDS):
        progress("learn", fold, FOLDS)
        outside, inside = np.flatnonzero(known & (folds != fold)), np.flatnonzero(folds == fold)
        member = _fit_member(
            stem, codes, labels, scores, outside, inside, shape, int(rng.integers(2**31))
        )
        members.append(member)
        held_out[inside] = _logits(member, stem, codes[inside])
    progress("learn", FOLDS, FOLDS)
    temperature = _temperature(held_out[known], labels.cells[known])
    classifier = LatentClassifier(labels.groups, tuple(shape), tuple(members), temperature)
    calibrated = log_softmax(held_out / temperature, axis=1).astype(np.float32)
    quality = _quality(calibrated[known], labels.take(known), temperature)
    return LatentFit(classifier, calibrated, quality)


def _quality(log_h: NDArray[np.float32], labels: Labels, temperature: float) -> LatentQuality:
    h = np.exp(log_h.astype(np.float64))
    attributes = []
    for a, attribute in enumerate(labels.groups.attributes):
        one_hot = np.eye(len(attribute.levels))[labels.groups.levels[:, a]]
        chosen = (h @ one_hot)[np.arange(len(h)), labels.levels[:, a]]
        shares = np.bincount(labels.levels[:, a]) / len(h)
        attributes.append((attribute.name, float(-np.log(chosen).mean()), float(entropy(shares))))
    best = h.max(axis=1)
    right = h.argmax(axis=1) == labels.cells
    bins = np.minimum((best * 10).astype(int), 9)
    reliability = tuple(
        (float(best[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum()))
        for b in np.unique(bins)
    )
    loss = float(-log_h[np.arange(len(h)), labels.cells].mean())
    base = float(entropy(np.bincount(labels.cells) / len(h)))
    return LatentQuality(loss, base, tuple(attributes), reliability, temperature)


def _fit_member(
    stem: Stem,
    codes: NDArray[np.float32],
    labels: Labels,
    scores: NDArray[np.float32],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    shape: Sequence[int],
    seed: int,
) -> _Network:
    """Fit one network on the rows `train`, keeping the epoch that does best on the rows `test`."""
    cells = torch.from_numpy(labels.cells)
    targets = torch.from_numpy(scores)
    scored = torch.isfinite(targets)
    judged = test[labels.cells[test] != UNKNOWN]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _Network(shape, labels.groups)
        _standardise_input(network, stem(codes[train[:2048]]))
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
        best, state, since = np.inf, network.state_dict(), 0
        for _ in range(_MOST_EPOCHS):
            network.train()
            order = train[torch.randperm(len(train)).numpy()]
            for low, high in batches(0, len(order), _BATCH):
                rows = torch.from_numpy(order[low:high])
                logits, guesses = network(torch.from_numpy(stem(codes[rows.numpy()])))
                loss = functional.cross_entropy(logits, cells[rows])
                known = scored[rows]
                if known.any():
                    errors = (guesses - targets[rows])[known]
                    loss = loss + _SCORE_WEIGHT * errors.square().mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            judgement = _logits(network, stem, codes[judged])
            found = _negative_log_likelihood(judgement, labels.cells[judged])
            if found < best - 1e-4:
                best, since = found, 0
                state = {name: value.clone() for name, value in network.state_dict().items()}
            elif (since := since + 1) >= _PATIENCE:
                break
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _standardise(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores less their mean over their deviation, per attribute; NaN stays NaN."""
    finite = np.isfinite(scores)
    counts = np.maximum(finite.sum(axis=0), 1)
    filled = np.where(finite, scores, 0)
    mean = filled.sum(axis=0) / counts
    deviation = np.sqrt((np.where(finite, scores - mean, 0) ** 2).sum(axis=0) / counts)
    return np.asarray((scores - mean) / np.maximum(deviation, 1e-6), dtype=np.float32)


def _standardise_input(network: _Network, features: NDArray[np.float32]) -> None:
    axes = (0, *range(2, features.ndim))
    network.mean = torch.from_numpy(features.mean(axis=axes))
    network.scale = torch.from_numpy(1 / np.maximum(features.std(axis=axes), 1e-3))


def _logits(network: _Network, stem: Stem, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    network.eval()
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(stem(codes[low:high])))[0].numpy()
            for low, high in batches(0, len(codes), 1024)
        ]
    return np.concatenate(parts)


def _negative_log_likelihood(logits: NDArray[np.float32], cells: NDArray[np.int64]) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(cells)), cells].mean())


def _temperature(logits: NDArray[np.float32], cells: NDArray[np.int64]) -> float:
    """Return the temperature with the best held-out log-likelihood (Guo et al. 2017)."""
    found = minimize_scalar(
        lambda t: _negative_log_likelihood(logits / np.exp(t), cells),
        bounds=(-1.5, 1.5),
        method="bounded",
    )
    return float(np.exp(found.x))

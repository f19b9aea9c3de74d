"""Fitting of the latent classifier to labelled codes, crosswise.

Every fold of the labels has networks that have not seen it. What they say of the labels of their
fold is therefore what they will say of fresh codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import entropy, norm, rankdata
from torch.nn import functional

from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.parallel import batches, one_thread, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, generator_for
from equipoise.samplers.descent import Descent
from equipoise.samplers.latent_classifier import (
    UNIT_LOGISTIC,
    Bounds,
    Heads,
    LatentClassifier,
    Networks,
    channels_last,
)

Stage = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From codes, shape (n, dim), to the features of a stage, shape (n, C, h, w) or (n, C)."""

FOLDS, MEMBERS = 5, 2
"""Folds, and networks of each; `benchmarks/latent.py` compares other numbers."""

_CHANNELS = 16
"""Of a spatial stage, that a network reads from all of them."""

_BATCH = 320
_EPOCHS = 8
_SPATIAL_RATE, _VECTOR_RATE = 3e-3, 1e-2
_SPATIAL_STEPS, _VECTOR_STEPS = 150, 200
"""Learning rates of spatial and other stages, and the steps that epochs over few labels go on to;
chosen by hand, on labels of no benchmark."""

_MOST_EPOCHS = 60

_WEIGHT_DECAY = 0.02
_DROPPED_CHANNELS, _DROPPED_HIDDEN = 0.15, 0.3
"""Dropout of the channels of a spatial stage, which are redundant, and of hidden values."""

_FARTHEST = 30.0
"""Stands for an infinite end of an interval of a score; scores have variance 1."""

_MOST_BROKEN = 0.01
"""Share of labels that may contradict the intervals of a score, at most."""

_MOST_KEPT = 2**27
"""Values of stage features that are kept rather than made in every epoch: 512 MiB."""


@dataclass(frozen=True, kw_only=True)
class LatentClassifierInfo:
    """What the latent classifier knows of codes that it was not fitted to; nats, lower is better.

    Attributes
    ----------
    loss, base : float
        Negative log-likelihood of the cells, and that of the shares of the cells alone.
    attributes : tuple of (str, float, float)
        Each attribute with the same two numbers.
    cells : tuple of (str, float, float)
        Each cell with the same two numbers over its own codes; NaN where it has none.
    reliability : tuple of (float, float, int)
        For bins of the probability of the most probable cell: its mean, how often that cell came
        out, and the codes in the bin. Calibrated probabilities have the first two alike.
    temperature : float
    """

    loss: float
    base: float
    attributes: tuple[tuple[str, float, float], ...]
    cells: tuple[tuple[str, float, float], ...]
    reliability: tuple[tuple[float, float, int], ...]
    temperature: float


@dataclass(frozen=True, eq=False)
class LatentFit:
    """A latent classifier with what it says of codes that it was not fitted to.

    Attributes
    ----------
    classifier : LatentClassifier
    held_out : numpy.ndarray, shape (n, K), float32
        Calibrated log P(cell | code) of each labelled code, by the networks of its fold, which
        were not fitted to it.
    folds : numpy.ndarray, shape (n,), int64
        Fold of each labelled code.
    quality : LatentClassifierInfo
    """

    classifier: LatentClassifier
    held_out: NDArray[np.float32]
    folds: NDArray[np.int64]
    quality: LatentClassifierInfo


@dataclass(frozen=True, eq=False)
class _Material:
    """All that the networks are fitted to.

    Attributes
    ----------
    features : callable
        From rows to standardised stage features, channels last, which are the caller's own.
    shape : tuple of int
        Of the features of one code.
    grid : AttributeGrid
    cells : torch.Tensor, shape (n,), int64
    scores : torch.Tensor, shape (n, A), float32
        Normal scores; NaN where there is none.
    heads : Heads
    """

    features: Callable[[NDArray[np.int64]], torch.Tensor]
    shape: tuple[int, ...]
    grid: AttributeGrid
    cells: torch.Tensor
    scores: torch.Tensor
    heads: Heads


def fit_latent(
    stage: Stage,
    labelled: LabelledCodes,
    *,
    seed: int = 0,
    folds: int = FOLDS,
    members: int = MEMBERS,
    execution: Execution = Execution(),
) -> LatentFit:
    """Fit the latent classifier to labelled codes.

    Parameters
    ----------
    stage : callable
        `generator.stem`; called once for each code where 512 MiB hold its features.
    labelled : LabelledCodes
        Codes of an unknown cell are left out of fitting. P(cell | code) is the same wherever codes
        come from, so each counts alike in fitting, and by its weight in what is said of the prior.
    seed : int
        Of folds, initial weights, order and dropout.
    folds, members : int
        Folds, at least 2, and networks of each.
    execution : Execution
        Members are fitted side by side, each on one thread: the result is the same for any number
        of workers.

    Raises
    ------
    InsufficientLabelsError
        When a fold has no code of a known cell.
    """
    labels, known = labelled.labels, labelled.known
    rng = generator_for(seed, Stream.LATENT_FOLDS)
    fold_of = rng.integers(folds, size=len(labels))
    if len(np.unique(fold_of[known])) < folds:
        raise InsufficientLabelsError(
            "codes of a known cell",
            f"must be in each of {folds} folds",
            f"{known.sum()} codes",
            "Label more codes, or lower --abstain-below.",
        )
    with one_thread():
        shape, mean, scale = _statistics(stage, labelled.codes[known][:2048])
        scores = normal_scores(labels.scores)
        bounds = score_bounds(labels, scores)
        material = _Material(
            _reader(stage, labelled.codes, mean, scale),
            shape,
            labels.grid,
            torch.from_numpy(labels.cells),
            torch.from_numpy(scores),
            Heads(labels.grid, bounds),
        )
        seeds = rng.integers(2**31, size=members).tolist()

        def fit(seed: int) -> Networks:
            return _train(material, np.flatnonzero(known), fold_of, folds, seed)

        execution.progress("learn", 0, members)
        networks = []
        for one in ordered_map(fit, seeds, execution.workers):
            networks.append(one)
            execution.progress("learn", len(networks), members)
        held_out = _held_out(networks, material, fold_of)
    weights = labelled.weights[known] / labelled.weights[known].sum()
    temperature = _temperature(held_out[known], labels.cells[known], weights)
    classifier = LatentClassifier(
        labels.grid,
        shape,
        mean,
        scale,
        bounds,
        tuple(networks),
        temperature,
    )
    calibrated = log_softmax(held_out / temperature, axis=1).astype(np.float32)
    quality = _quality(calibrated[known], labels.take(known), weights, temperature)
    return LatentFit(classifier, calibrated, fold_of, quality)


def normal_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores as normal quantiles of their ranks, attribute by attribute; NaN stays NaN.

    A probability, an age and an angle so become values of one scale, without heavy tails. Equal
    scores stay equal.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n, A), float32

    Examples
    --------
    >>> found = normal_scores(np.array([[10.0], [30.0], [20.0]], np.float32))
    >>> [round(float(value), 2) for value in found[:, 0]]
    [-0.97, 0.97, 0.0]
    """
    found = np.full(scores.shape, np.nan, np.float32)
    for a, column in enumerate(scores.T):
        finite = np.isfinite(column)
        ranks = rankdata(column[finite])
        found[finite, a] = norm.ppf((ranks - 0.5) / max(len(ranks), 1))
    return found


def score_bounds(labels: Labels, scores: NDArray[np.float32]) -> Bounds:
    """Return the interval of the score of each level, where levels are intervals of their score.

    Parameters
    ----------
    labels : Labels
    scores : numpy.ndarray, shape (n, A), float32
        In the scale of the bounds.

    Returns
    -------
    numpy.ndarray, shape (L, 2), float32
        For the levels of all attributes one after the other; (0, 0) where an attribute has too few
        scores, or more than 1 % of its labels contradict every choice of intervals.
    """
    parts = []
    for a, attribute in enumerate(labels.grid.attributes):
        count = len(attribute.levels)
        bounds = np.zeros((count, 2), np.float32)
        usable = np.isfinite(scores[:, a]) & (labels.levels[:, a] != UNKNOWN)
        levels, values = labels.levels[usable, a].astype(np.int64), scores[usable, a]
        present = np.bincount(levels, minlength=count) > 0
        if present.all():
            medians = np.array([np.median(values[levels == level]) for level in range(count)])
            order = np.argsort(medians, kind="stable")
            cuts = [_cut(values, levels, low, high) for low, high in pairwise(order)]
            edges = np.array([-_FARTHEST, *cuts, _FARTHEST])
            if (np.diff(edges) > 0).all():
                guessed = order[np.searchsorted(edges[1:-1], values, side="right")]
                if (guessed != levels).mean() <= _MOST_BROKEN:
                    bounds[order] = np.stack([edges[:-1], edges[1:]], axis=1)
        parts.append(bounds)
    return np.concatenate(parts)


def _cut(values: NDArray[np.float32], levels: NDArray[np.int64], low: int, high: int) -> float:
    """Return the border between two neighbouring levels that the fewest labels contradict."""
    pair = np.isin(levels, (low, high))
    order = np.argsort(values[pair], kind="stable")
    places, below = values[pair][order], levels[pair][order] == low
    possible = np.flatnonzero(np.diff(places) > 0)
    if not len(possible):
        return float(places[0])
    best = possible[np.cumsum(np.where(below, 1, -1))[possible].argmax()]
    return float(places[best : best + 2].mean())


def _statistics(
    stage: Stage, codes: NDArray[np.float32]
) -> tuple[tuple[int, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Return the shape of the features of a code, and mean and inverse deviation by channel."""
    features = stage(codes)
    axes = (0, *range(2, features.ndim))
    mean = features.mean(axis=axes, dtype=np.float64).astype(np.float32)
    scale = (1 / np.maximum(features.std(axis=axes, dtype=np.float64), 1e-3)).astype(np.float32)
    return tuple(features.shape[1:]), mean, scale


def _reader(
    stage: Stage,
    codes: NDArray[np.float32],
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    """Return what gives the standardised features of rows, made once where they can be kept.

    A stage may cost nearly as much as an image, and fitting asks for each code some hundred times.
    """

    def read(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        features = channels_last(stage(codes[rows]))
        return np.asarray((features - mean) * scale, np.float32)

    first = read(np.arange(1))
    if len(codes) * first.size > _MOST_KEPT:
        return lambda rows: torch.from_numpy(read(rows))
    kept = np.empty((len(codes), *first.shape[1:]), np.float32)
    for low, high in batches(0, len(codes), 1024):
        kept[low:high] = read(np.arange(low, high))
    held = torch.from_numpy(kept)
    return lambda rows: held.index_select(0, torch.from_numpy(rows))


def _train(
    material: _Material,
    train: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    folds: int,
    seed: int,
) -> Networks:
    """Fit one network for each fold to the rows `train` of the other folds.

    The step falls to 0 by a cosine. The networks share batches and the dropout of channels; a row
    counts in the loss of all of them but that of its own fold.
    """
    rng = torch.Generator().manual_seed(seed)
    networks = Networks(material.shape, material.grid, folds, _CHANNELS)
    networks.initialise(rng)
    others = torch.from_numpy(fold_of[None] != np.arange(folds)[:, None])
    per_epoch = -(-len(train) // _BATCH)
    least = _SPATIAL_STEPS if networks.spatial else _VECTOR_STEPS
    rate = _SPATIAL_RATE if networks.spatial else _VECTOR_RATE
    epochs = min(max(_EPOCHS, -(-least // per_epoch)), _MOST_EPOCHS)
    descent = Descent(
        networks.parameters(), rate=rate, steps=epochs * per_epoch, decay=_WEIGHT_DECAY
    )
    for _ in range(epochs):
        order = train[torch.randperm(len(train), generator=rng).numpy()]
        for low, high in batches(0, len(order), _BATCH):
            rows = order[low:high]
            features = material.features(rows)
            if networks.spatial:
                shape = (len(rows), 1, features.shape[2])
                features.mul_(_mask(shape, _DROPPED_CHANNELS, rng))
            hidden = _mask((folds, len(rows), networks.hidden.shape[2]), _DROPPED_HIDDEN, rng)
            descent.step(_loss(networks(features, hidden), material, rows, others[:, rows]))
    return networks.requires_grad_(False)


def _mask(shape: Sequence[int], dropped: float, rng: torch.Generator) -> torch.Tensor:
    """Return a mask of dropout: 0 with probability `dropped`, else what keeps the mean."""
    kept = 1 - dropped
    return torch.rand(*shape, generator=rng).lt_(kept).div_(kept)


def _loss(
    outputs: torch.Tensor, material: _Material, rows: NDArray[np.int64], counted: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a batch, summed over networks.

    Of each it is the mean negative log-likelihood of the cells, and that of the scores where there
    are any.

    Parameters
    ----------
    outputs : torch.Tensor, shape (F, n, outputs)
    counted : torch.Tensor, shape (F, n), bool
        Which rows count for which network.
    """
    chosen = torch.from_numpy(rows)
    logits, location, scale = material.heads(outputs)
    cells = material.cells[chosen].expand(len(outputs), -1)
    losses = functional.cross_entropy(logits.flatten(0, 1), cells.flatten(), reduction="none")
    losses = losses.view(counted.shape)
    scores = material.scores[chosen]
    there = torch.isfinite(scores)
    if there.any():
        # Negative log-density of a logistic distribution.
        x = UNIT_LOGISTIC * (torch.where(there, scores, 0.0) - location) / scale
        density = scale.log() + 2 * functional.softplus(x) - x
        losses = losses + torch.where(there, density, 0.0).mean(dim=2)
    part = counted / counted.sum(dim=1, keepdim=True).clamp_min(1)
    return (losses * part).sum()


def _held_out(
    networks: Sequence[Networks], material: _Material, fold_of: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return log-probabilities of cells by the networks of each code's own fold, shape (n, K)."""
    parts = []
    with torch.inference_mode():
        for low, high in batches(0, len(fold_of), 1024):
            rows = np.arange(low, high)
            features, own = material.features(rows), torch.from_numpy(fold_of[rows])
            outputs = torch.stack([one(features)[own, torch.arange(len(own))] for one in networks])
            logits, _, _ = material.heads(outputs)
            parts.append(functional.log_softmax(logits, dim=2).mean(dim=0).numpy())
    return np.concatenate(parts)


def _quality(
    log_h: NDArray[np.float32], labels: Labels, weights: NDArray[np.float64], temperature: float
) -> LatentClassifierInfo:
    h = np.exp(log_h.astype(np.float64))
    attributes = []
    for a, attribute in enumerate(labels.grid.attributes):
        one_hot = np.eye(len(attribute.levels))[labels.grid.levels[:, a]]
        chosen = (h @ one_hot)[np.arange(len(h)), labels.levels[:, a]]
        shares = np.bincount(labels.levels[:, a], weights)
        loss = float(-weights @ np.log(chosen))
        attributes.append((attribute.name, loss, float(entropy(shares))))
    losses = -log_h[np.arange(len(h)), labels.cells].astype(np.float64)
    mass = np.bincount(labels.cells, weights, labels.grid.size)
    sums = np.bincount(labels.cells, weights * losses, labels.grid.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(mass > 0, [sums / mass, -np.log(mass)], np.nan)
    cells = tuple(
        (name, float(loss), float(base))
        for name, (loss, base) in zip(labels.grid.cells, own.T, strict=True)
    )
    best = h.max(axis=1)
    right = h.argmax(axis=1) == labels.cells
    bins = np.minimum((best * 10).astype(int), 9)
    reliability = tuple(
        (
            float(np.average(best[bins == b], weights=weights[bins == b])),
            float(np.average(right[bins == b], weights=weights[bins == b])),
            int((bins == b).sum()),
        )
        for b in np.unique(bins)
    )
    loss = _negative_log_likelihood(log_h, labels.cells, weights)
    base = float(entropy(np.bincount(labels.cells, weights)))
    return LatentClassifierInfo(
        loss=loss,
        base=base,
        attributes=tuple(attributes),
        cells=cells,
        reliability=reliability,
        temperature=temperature,
    )


def _negative_log_likelihood(
    logits: NDArray[np.float32],
    cells: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> float:
    losses = -log_softmax(logits, axis=1)[np.arange(len(cells)), cells]
    return float(np.average(losses, weights=weights))


def _temperature(
    logits: NDArray[np.float32], cells: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    """Return the temperature with the best held-out log-likelihood (Guo et al. 2017)."""
    found = minimize_scalar(
        lambda t: _negative_log_likelihood(logits / np.exp(t), cells, weights),
        bounds=(-1.5, 1.5),
        method="bounded",
    )
    return float(np.exp(found.x))

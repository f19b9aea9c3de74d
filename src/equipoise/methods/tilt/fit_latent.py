"""Fitting of the latent classifier to labelled codes.

Networks are fitted crosswise: each on all folds but one. What they say of the fold left out is
nearly honest, and serves to stop early, to set the temperature, and to choose the tilt; their mean
is the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import entropy
from torch.nn import functional

from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.parallel import batches
from equipoise.core.progress import Progress, no_progress
from equipoise.core.seeds import Stream, generator_for
from equipoise.samplers.latent_classifier import FOLDS, LatentClassifier, Network

Stem = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Reader = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""From rows of the labelled codes to their stem features."""

_BATCH = 256
_MOST_EPOCHS, _PATIENCE = 40, 4
_SCORE_WEIGHT = 1.0
_MOST_KEPT = 2**27
"""Values of stem features that are kept rather than made in every epoch: 512 MiB."""


@dataclass(frozen=True)
class LatentClassifierInfo:
    """What the latent classifier knows of codes that it was not fitted to; nats, lower is better.

    Those codes did choose when to stop and the temperature, so the numbers are a little too good.

    Attributes
    ----------
    loss, base : float
        Negative log-likelihood of the cells, and that of the cells' shares alone.
    attributes : tuple of (str, float, float)
        Each attribute with the same two numbers.
    cells : tuple of (str, float, float)
        Each cell with the same two numbers over its own codes; NaN where it has none.
    reliability : tuple of (float, float, int)
        For bins of the most probable cell's probability: its mean, how often that cell came out,
        and the codes in the bin. Calibrated probabilities have the first two alike.
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
    """A latent classifier with what it said of codes that it was not fitted to.

    Attributes
    ----------
    classifier : LatentClassifier
    held_out : numpy.ndarray, shape (n, K), float32
        Calibrated log P(cell | code) of each labelled code, by the member that was not fitted on
        it.
    folds : numpy.ndarray, shape (n,), int64
        Number of that member.
    quality : LatentClassifierInfo
    """

    classifier: LatentClassifier
    held_out: NDArray[np.float32]
    folds: NDArray[np.int64]
    quality: LatentClassifierInfo


def fit_latent(
    stem: Stem,
    labelled: LabelledCodes,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> LatentFit:
    """Fit the latent classifier to labelled codes.

    Parameters
    ----------
    stem : callable
        `generator.stem`; asked once for each code where 512 MiB hold what it gives.
    labelled : LabelledCodes
        Codes of an unknown cell are left out of fitting. P(cell | code) is the same wherever codes
        come from, so each counts alike in fitting, and by its weight in what is told of the prior.
    seed : int
        Of folds, initial weights and order.

    Raises
    ------
    InsufficientLabelsError
        When hardly any code has a known cell.
    """
    codes, labels, known = labelled.codes, labelled.labels, labelled.known
    rng = generator_for(seed, Stream.LATENT_FOLDS)
    folds = rng.integers(FOLDS, size=len(codes))
    if len(np.unique(folds[known])) < FOLDS:
        raise InsufficientLabelsError(
            "codes of a known cell",
            f"must be in each of {FOLDS} folds",
            f"{known.sum()} codes",
            "Label more codes, or lower --abstain-below.",
        )
    scores = _standardise(labels.scores)
    shape = stem(codes[:1]).shape[1:]
    read = _reader(stem, codes, shape)
    members, held_out = [], np.zeros((len(codes), labels.grid.size), np.float32)
    for fold in range(FOLDS):
        progress("learn", fold, FOLDS)
        outside, inside = np.flatnonzero(known & (folds != fold)), np.flatnonzero(folds == fold)
        member = _fit_member(read, labels, scores, outside, inside, shape, int(rng.integers(2**31)))
        members.append(member)
        held_out[inside] = _logits(member, read, inside)
    progress("learn", FOLDS, FOLDS)
    weights = labelled.weights[known] / labelled.weights[known].sum()
    temperature = _temperature(held_out[known], labels.cells[known], weights)
    classifier = LatentClassifier(labels.grid, tuple(shape), tuple(members), temperature)
    calibrated = log_softmax(held_out / temperature, axis=1).astype(np.float32)
    quality = _quality(calibrated[known], labels.take(known), weights, temperature)
    return LatentFit(classifier, calibrated, folds, quality)


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
    return LatentClassifierInfo(loss, base, tuple(attributes), cells, reliability, temperature)


def _fit_member(
    read: Reader,
    labels: Labels,
    scores: NDArray[np.float32],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    shape: Sequence[int],
    seed: int,
) -> Network:
    """Fit one network on the rows `train`, keeping the epoch that does best on the rows `test`."""
    cells = torch.from_numpy(labels.cells)
    targets = torch.from_numpy(scores)
    scored = torch.isfinite(targets)
    evaluated = test[labels.cells[test] != UNKNOWN]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(shape, labels.grid)
        _standardise_input(network, read(train[:2048]))
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
        best, state, since = np.inf, network.state_dict(), 0
        for _ in range(_MOST_EPOCHS):
            network.train()
            order = train[torch.randperm(len(train)).numpy()]
            for low, high in batches(0, len(order), _BATCH):
                rows = torch.from_numpy(order[low:high])
                logits, guesses = network(torch.from_numpy(read(order[low:high])))
                loss = functional.cross_entropy(logits, cells[rows])
                known = scored[rows]
                if known.any():
                    errors = (guesses - targets[rows])[known]
                    loss = loss + _SCORE_WEIGHT * errors.square().mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            judgement = _logits(network, read, evaluated)
            found = _negative_log_likelihood(judgement, labels.cells[evaluated])
            if found < best - 1e-4:
                best, since = found, 0
                state = {name: value.clone() for name, value in network.state_dict().items()}
            elif (since := since + 1) >= _PATIENCE:
                break
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _reader(stem: Stem, codes: NDArray[np.float32], shape: Sequence[int]) -> Reader:
    """Return what gives the stem features of rows, made once where they can be kept.

    A stem may cost nearly as much as an image, and fitting asks for each code some hundred times.
    """
    if len(codes) * int(np.prod(shape)) > _MOST_KEPT:
        return lambda rows: stem(codes[rows])
    kept = np.concatenate([stem(codes[low:high]) for low, high in batches(0, len(codes), 1024)])
    return lambda rows: kept[rows]


def _standardise(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores less their mean over their deviation, per attribute; NaN stays NaN."""
    finite = np.isfinite(scores)
    counts = np.maximum(finite.sum(axis=0), 1)
    filled = np.where(finite, scores, 0)
    mean = filled.sum(axis=0) / counts
    deviation = np.sqrt((np.where(finite, scores - mean, 0) ** 2).sum(axis=0) / counts)
    return np.asarray((scores - mean) / np.maximum(deviation, 1e-6), dtype=np.float32)


def _standardise_input(network: Network, features: NDArray[np.float32]) -> None:
    axes = (0, *range(2, features.ndim))
    network.mean = torch.from_numpy(features.mean(axis=axes))
    network.scale = torch.from_numpy(1 / np.maximum(features.std(axis=axes), 1e-3))


def _logits(network: Network, read: Reader, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    network.eval()
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(read(rows[low:high])))[0].numpy()
            for low, high in batches(0, len(rows), 1024)
        ]
    return np.concatenate(parts)


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

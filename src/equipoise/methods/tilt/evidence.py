"""What labelled codes of known cells tell of a tilt.

Fresh codes of the prior as the latent classifier sees them: many, and without a single image.

Where the images of each cell lie on average, from few labels and many codes without one.

The labelled codes of a rare cell are few, and their mean is noisy. The latent classifier's
P(cell | code) gives a mean over codes without limit, wrong where the classifier is; what labelled
codes say beyond it corrects that. This is the difference estimator of surveys (Sarndal, Swensson
and Wretman 1992, "Model Assisted Survey Sampling", chapter 6), each label set against a member that
was not fitted on it (Chernozhukov et al. 2018, arXiv 1608.00060, section 3).

From where on a tilt accepts codes in full: quantiles over each cell's own codes.

The ceiling keeps a cell's ordinary members beside its clearest (docs/decisions/0004); the clearance
does the same for codes that are clear of unwanted cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from equipoise.core.estimates import weighted_quantile
from equipoise.core.labels import LabelledCodes
from equipoise.core.parallel import batches
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.methods.tilt.fit_latent import LatentFit
from equipoise.samplers.latent_classifier import FOLDS, LatentClassifier
from equipoise.samplers.mean_matching import (
    BalancingSolution,
    Shares,
    WhitenedPCA,
    factors,
    pooled,
    principal_axes,
    read_pooled,
)
from equipoise.samplers.tilt import log_acceptance
from equipoise.stats.simplex import solve_weights

MAX_EXTRA_MISS = 0.005
"""Total variation that a factor may take the mix away from the target."""

_PARTS = (1.0, 0.5, 0.25)


@dataclass(frozen=True, eq=False)
class LabelledEvidence:
    """What n labelled codes tell of K cells, R of them wanted.

    Attributes
    ----------
    target : Target
    wanted : numpy.ndarray, shape (R,), int64
    weights : numpy.ndarray, shape (n,), float64
    one_hot, log_h : numpy.ndarray, shape (n, K), float64
        Cells, and held-out log P(cell | code).
    folds : numpy.ndarray, shape (n,), int64
    axes : WhitenedPCA
    places : numpy.ndarray, shape (n, D), float64
    ceilings, clearances : numpy.ndarray, shape (K,), float64
    """

    target: Target
    wanted: NDArray[np.int64]
    weights: NDArray[np.float64]
    one_hot: NDArray[np.float64]
    log_h: NDArray[np.float64]
    folds: NDArray[np.int64]
    axes: WhitenedPCA
    coordinates: NDArray[np.float64]
    acceptance_thresholds: NDArray[np.float64]
    avoidance_thresholds: NDArray[np.float64]

    def accepted(self, log_h: NDArray[np.floating], beta: float) -> NDArray[np.float64]:
        """Return how much of each code each request accepts before matching, shape (m, R)."""
        none = np.zeros((1, len(self.acceptance_thresholds)))
        chances = log_acceptance(
            log_h, self.acceptance_thresholds, self.avoidance_thresholds, beta, none
        )
        return np.exp(chances[:, self.wanted])

    def mixing(self, accepted: NDArray[np.float64]) -> Shares:
        """Return how one-shot requests are to be mixed to meet the target, by the labels."""

        def shares(
            coefficients: NDArray[np.float64], log_clip: NDArray[np.float64] | None
        ) -> NDArray[np.float64]:
            return self.mixed(self.drawn(accepted, coefficients, log_clip))[1]

        return shares

    def drawn(
        self,
        accepted: NDArray[np.float64],
        coefficients: NDArray[np.float64],
        log_clip: NDArray[np.float64] | None,
    ) -> NDArray[np.float64]:
        """Return what each request draws of the codes under a factor, shape (n, R), sums of 1."""
        tilted = accepted * factors(self.coordinates, coefficients, log_clip)
        return np.asarray(tilted / tilted.sum(axis=0))

    def mixed(
        self, drawn: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Return the confusion of requests, how to mix them, and how far the mix misses the target.

        Shapes (R, K) and (R,); the miss is in total variation.
        """
        confusion = drawn.T @ self.one_hot
        weights = solve_weights(confusion, self.target.shares)
        miss = float(np.abs(weights @ confusion - self.target.shares).sum() / 2)
        return confusion, weights, miss

    def within_reach(
        self, accepted: NDArray[np.float64], matched: BalancingSolution
    ) -> BalancingSolution:
        """Return the factor, weakened until requests can be mixed to meet the target.

        A strong one may turn so many codes of a request into another cell's that no mixing makes
        up for it, most where some cells are wanted much more than others. `accepted`, shape (n, R),
        is what one-shot requests accept of the labelled codes.
        """

        def miss(part: float) -> float:
            return self.mixed(
                self.drawn(accepted, part * matched.coefficients, part * matched.log_clip)
            )[2]

        allowed = miss(0.0) + MAX_EXTRA_MISS
        part = next((part for part in _PARTS if miss(part) <= allowed), 0.0)
        return BalancingSolution(part * matched.coefficients, part * matched.log_clip)


def gather_evidence(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target
) -> LabelledEvidence:
    """Read the stems of labelled codes of known cells, and gather what is known of them."""
    known, positive = labelled.known, target.shares > 0
    weights = labelled.weights[known]
    features = read_pooled(generator, labelled.codes[known])
    axes = principal_axes(features, weights)
    return LabelledEvidence(
        target,
        np.flatnonzero(positive),
        weights,
        np.eye(target.grid.size)[labelled.labels.cells[known]],
        fit.held_out[known].astype(np.float64),
        fit.folds[known],
        axes,
        axes.coordinates_of(features),
        acceptance_thresholds_of(fit, labelled, positive),
        avoidance_thresholds_of(fit, labelled, positive),
    )


_CHUNK = 256


@dataclass(frozen=True, eq=False)
class PriorSample:
    """Codes of the prior with all that a tilt needs to know of them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    places : numpy.ndarray, shape (n, D), float64
        Coordinates of their pooled stem features.
    log_h : numpy.ndarray, shape (n, K), float32
        log P(cell | code) by the latent classifier.
    members : numpy.ndarray, shape (M, n, K), float32
        The same by each of its members alone.
    """

    codes: NDArray[np.float32]
    coordinates: NDArray[np.float64]
    log_h: NDArray[np.float32]
    members: NDArray[np.float32]


def evaluate_prior_sample(
    generator: Generator,
    classifier: LatentClassifier,
    axes: WhitenedPCA,
    codes: NDArray[np.float32],
) -> PriorSample:
    """Read the stems of codes, a few at a time."""
    coordinates, members = [], []
    for low, high in batches(0, len(codes), _CHUNK):
        stem = generator.stem(codes[low:high])
        coordinates.append(axes.coordinates_of(pooled(stem)))
        members.append(classifier.by_member(stem))
    joined = np.concatenate(members, axis=1)
    # A constant of each code apart, members' logits are what they say.
    together = log_softmax(joined.mean(axis=0), axis=1)
    return PriorSample(codes, np.concatenate(coordinates), together, joined)


def difference_estimator_means(
    fresh: PriorSample,
    coordinates: NDArray[np.float64],
    one_hot: NDArray[np.float64],
    held_out: NDArray[np.float64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Estimate the mean coordinates of each cell's codes under the prior.

    Parameters
    ----------
    fresh : PriorSample
        n codes of the prior.
    places : numpy.ndarray, shape (m, D), float64
        Coordinates of labelled codes.
    one_hot : numpy.ndarray, shape (m, K), float64
        Their cells.
    held_out : numpy.ndarray, shape (m, K), float64
        Their P(cell | code) by the member that was not fitted on them.
    weights : numpy.ndarray, shape (m,), float64
        With which they stand for the prior.
    folds : numpy.ndarray, shape (m,), int64
        Number of that member.

    Returns
    -------
    numpy.ndarray, shape (K, D), float64
        NaN for a cell without mass. Of a cell with hardly a label they are noise.
    """
    cells, dimensions = one_hot.shape[1], coordinates.shape[1]
    sums, mass = np.zeros((cells, dimensions)), np.zeros(cells)
    for fold in range(FOLDS):
        h = np.exp(fresh.members[fold].astype(np.float64))
        own = folds == fold
        share = weights[own] / weights[own].sum()
        left = (one_hot[own] - held_out[own]) * share[:, None]
        sums += h.T @ fresh.coordinates / len(h) + left.T @ coordinates[own]
        mass += h.mean(axis=0) + left.sum(axis=0)
    return sums / np.where(mass > 0, mass, np.nan)[:, None]


THRESHOLD_QUANTILE = 0.7
"""Quantile of h over the cell's own codes from which on every code is accepted, c_k."""

NOTHING_AVOIDED = 1e-9
"""A clearance that every code has."""

LEAST_OWN = 20.0
"""Effective number of a cell's own codes below which they are too few to go by."""


def acceptance_thresholds_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the `THRESHOLD_QUANTILE` of held-out h over each cell's own codes, shape (K,).

    A cell with too few of its own takes all codes, each as far as it is held to be of the cell.
    Infinite for cells that are not wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    acceptance_thresholds = np.full(len(wanted), np.inf)
    for k in np.flatnonzero(wanted):
        acceptance_thresholds[k] = weighted_quantile(h[:, k], own[:, k], THRESHOLD_QUANTILE)
    return acceptance_thresholds


def avoidance_thresholds_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return `THRESHOLD_QUANTILE` of P(no unwanted cell), held out, over each cell's own codes.

    Shape (K,), above 0; 1 where every cell is wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    clear = 1 - h[:, ~wanted].sum(axis=1)
    found = [weighted_quantile(clear, own[:, k], THRESHOLD_QUANTILE) for k in range(len(wanted))]
    return np.clip(found, NOTHING_AVOIDED, 1.0)


def _own_weights(h: NDArray[np.float64], labelled: LabelledCodes) -> NDArray[np.float64]:
    """Return how far each code stands for each cell, shape (n, K).

    A cell with too few codes of its own takes all, each as far as it is held to be of the cell.
    """
    cells = labelled.labels.cells
    enough = labelled.effective() >= LEAST_OWN
    member = np.where(enough, cells[:, None] == np.arange(h.shape[1]), h)
    return np.asarray(member * (labelled.weights * labelled.known)[:, None])

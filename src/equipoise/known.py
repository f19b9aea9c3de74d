"""What labelled codes of known cells tell of a tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.calibrate import solve_weights
from equipoise.ceilings import ceilings_of, clearances_of
from equipoise.generators.base import Generator
from equipoise.labels import LabelledCodes
from equipoise.latent_fit import LatentFit
from equipoise.matching import Axes, Matched, Shares, factors, principal_axes, read_pooled
from equipoise.targets import Target
from equipoise.tilt import log_chances

FARTHER = 0.005
"""Total variation that a factor may take the mix away from the target."""

_PARTS = (1.0, 0.5, 0.25)


@dataclass(frozen=True, eq=False)
class Known:
    """What n labelled codes tell of K cells, R of them wanted.

    Attributes
    ----------
    target : Target
    wanted : numpy.ndarray, shape (R,), int64
    weights : numpy.ndarray, shape (n,), float64
    one_hot, log_h : numpy.ndarray, shape (n, K), float64
        Cells, and held-out log P(cell | code).
    folds : numpy.ndarray, shape (n,), int64
    axes : Axes
    places : numpy.ndarray, shape (n, D), float64
    ceilings, clearances : numpy.ndarray, shape (K,), float64
    """

    target: Target
    wanted: NDArray[np.int64]
    weights: NDArray[np.float64]
    one_hot: NDArray[np.float64]
    log_h: NDArray[np.float64]
    folds: NDArray[np.int64]
    axes: Axes
    places: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    clearances: NDArray[np.float64]

    def accepted(self, log_h: NDArray[np.floating], beta: float) -> NDArray[np.float64]:
        """Return how much of each code each request accepts before matching, shape (m, R)."""
        none = np.zeros((1, len(self.ceilings)))
        chances = log_chances(log_h, self.ceilings, self.clearances, beta, none)
        return np.exp(chances[:, self.wanted])

    def mixing(self, accepted: NDArray[np.float64]) -> Shares:
        """Return how one-shot requests are to be mixed to meet the target, by the labels."""

        def shares(
            slope: NDArray[np.float64], full: NDArray[np.float64] | None
        ) -> NDArray[np.float64]:
            return self.mixed(self.drawn(accepted, slope, full))[1]

        return shares

    def drawn(
        self,
        accepted: NDArray[np.float64],
        slope: NDArray[np.float64],
        full: NDArray[np.float64] | None,
    ) -> NDArray[np.float64]:
        """Return what each request draws of the codes under a factor, shape (n, R), sums of 1."""
        tilted = accepted * factors(self.places, slope, full)
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

    def within_reach(self, accepted: NDArray[np.float64], matched: Matched) -> Matched:
        """Return the factor, weakened until requests can be mixed to meet the target.

        A strong one may turn so many codes of a request into another cell's that no mixing makes
        up for it, most where some cells are wanted much more than others. `accepted`, shape (n, R),
        is what one-shot requests accept of the labelled codes.
        """

        def miss(part: float) -> float:
            return self.mixed(self.drawn(accepted, part * matched.slope, part * matched.full))[2]

        allowed = miss(0.0) + FARTHER
        part = next((part for part in _PARTS if miss(part) <= allowed), 0.0)
        return Matched(part * matched.slope, part * matched.full)


def known_of(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target
) -> Known:
    """Read the stems of labelled codes of known cells, and gather what is known of them."""
    known, positive = labelled.known, target.shares > 0
    weights = labelled.weights[known]
    features = read_pooled(generator, labelled.codes[known])
    axes = principal_axes(features, weights)
    return Known(
        target,
        np.flatnonzero(positive),
        weights,
        np.eye(target.groups.size)[labelled.labels.cells[known]],
        fit.held_out[known].astype(np.float64),
        fit.folds[known],
        axes,
        axes.place(features),
        ceilings_of(fit, labelled, positive),
        clearances_of(fit, labelled, positive),
    )

"""Entropy balancing of tilted draws: their mean stem features are made those of the wanted mix.

A tilt favours codes that are clearly of a cell, and what leaks in from neighbouring cells lies near
their borders; both move the mean of the images. One more factor of acceptance, log-linear in the
stem features, takes that back: of all reweightings with the wanted means it is the one nearest to
none (Hainmueller 2012, "Entropy balancing for causal effects", Political Analysis 20, section 3;
docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from equipoise.core.estimates import weighted_quantile
from equipoise.core.parallel import batches
from equipoise.generators.base import Generator
from equipoise.stats.distances import moments

PRINCIPAL = 48
"""Principal axes of the stem features, at most, whose means are matched."""

_RIDGE = 0.01
_FIRST, _FURTHER = 4, 2
"""Times that the factor is solved for in turn with the mixing of requests: more overshoot."""

_CLIP_QUANTILE = 0.7
"""Quantile of the factor, over what a request accepts, from which on codes are accepted in full;
higher costs candidates."""

_OVERCORRECTION = 0.5
"""Part of what the cut leaves unmatched that is asked for on top."""

Shares = Callable[[NDArray[np.float64], NDArray[np.float64] | None], NDArray[np.float64]]
"""From a factor's slope and cuts (None for none) to how often each request is then made, (R,)."""


@dataclass(frozen=True, eq=False)
class MeanMatchingFactor:
    """Factors of acceptance, min(1, exp(features . slope + offset)), on pooled stem features.

    Attributes
    ----------
    slope : numpy.ndarray, shape (channels,), float32
        The same for all cells.
    offsets : numpy.ndarray, shape (K,), float64
        A cell's own, since where a cell's codes lie the factor may be small throughout.
    """

    coefficients: NDArray[np.float32]
    offsets: NDArray[np.float64]

    @classmethod
    def none(cls, channels: int, cells: int) -> MeanMatchingFactor:
        """Return factors that are 1 everywhere."""
        return cls(np.zeros(channels, np.float32), np.zeros(cells))

    def log_factors(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logarithm of the factors from stem features, shape (n, K), at most 0."""
        exponents = pooled(features) @ self.coefficients.astype(np.float64)
        return np.minimum(exponents[:, None] + self.offsets, 0.0)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {
            "mean_matching.coefficients": self.coefficients,
            "mean_matching.offsets": self.offsets,
        }


@dataclass(frozen=True, eq=False)
class WhitenedPCA:
    """Principal axes of pooled stem features, whitened.

    Attributes
    ----------
    mean : numpy.ndarray, shape (channels,), float64
    turn : numpy.ndarray, shape (channels, D), float64
        (features - mean) @ turn has covariance 1 over the prior.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]

    def coordinates_of(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coordinates of pooled features, shape (n, D)."""
        return (features - self.mean) @ self.components

    def factors(
        self, coefficients: NDArray[np.float64], log_clip: NDArray[np.float64]
    ) -> MeanMatchingFactor:
        """Return exp(coordinates . slope), cut at each cell's `log_clip` (of the exponent)."""
        in_channels = self.components @ coefficients
        return MeanMatchingFactor(
            in_channels.astype(np.float32), -self.mean @ in_channels - log_clip
        )


def pooled(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return stem features averaged over space, shape (n, channels)."""
    return np.asarray(features.mean(axis=tuple(range(2, features.ndim))), np.float64)


def read_pooled(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the pooled stem features of codes, holding one batch of stems at a time."""
    return np.concatenate(
        [pooled(generator.stem(codes[low:high])) for low, high in batches(0, len(codes), 1024)]
    )


def principal_axes(features: NDArray[np.float64], weights: NDArray[np.float64]) -> WhitenedPCA:
    """Return the principal axes of pooled features, at most `PRINCIPAL`, none without variance."""
    mean, covariance = moments(features, weights)
    values, axes = np.linalg.eigh(covariance)
    kept = np.flatnonzero(values > 1e-9 * values[-1])[-PRINCIPAL:]
    return WhitenedPCA(mean, axes[:, kept] / np.sqrt(values[kept]))


@dataclass(frozen=True, eq=False)
class BalancingSolution:
    """What entropy balancing found.

    Attributes
    ----------
    slope : numpy.ndarray, shape (D,), float64
        The factor is exp(coordinates . slope) up to its cut.
    full : numpy.ndarray, shape (R,), float64
        The exponent from which on a request accepts codes in full.
    """

    coefficients: NDArray[np.float64]
    log_clip: NDArray[np.float64]


def factors(
    coordinates: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    log_clip: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return exp(places . slope), shape (n, 1), or with cuts min(1, exp(. - cut)), shape (n, R)."""
    exponents = (coordinates @ coefficients)[:, None]
    return np.exp(exponents if log_clip is None else np.minimum(exponents - log_clip, 0.0))


def entropy_balance(
    coordinates: NDArray[np.float64],
    accepted: NDArray[np.float64],
    shares: Shares,
    wanted: NDArray[np.float64],
) -> BalancingSolution:
    """Find the factor under which what requests accept has the wanted mean coordinates.

    Parameters
    ----------
    places : numpy.ndarray, shape (n, D), float64
        Coordinates of codes.
    accepted : numpy.ndarray, shape (n, R), float64
        Mass that each request accepts of each code, at least 0.
    shares : callable
        See `Shares`; what the factor takes changes how requests are to be mixed.
    wanted : numpy.ndarray, shape (D,), float64
    """

    def solve(
        coefficients: NDArray[np.float64], goal: NDArray[np.float64], times: int
    ) -> BalancingSolution:
        for _ in range(times):
            sums = (accepted * factors(coordinates, coefficients, None)).sum(axis=0)
            mass = accepted @ (shares(coefficients, None) / sums)
            coefficients = _minimise_dual(coordinates, mass / mass.sum(), goal, coefficients)
        kept = accepted * factors(coordinates, coefficients, None)
        exponents = coordinates @ coefficients
        log_clip = [weighted_quantile(exponents, own, _CLIP_QUANTILE) for own in kept.T]
        return BalancingSolution(coefficients, np.array(log_clip))

    uncut = solve(np.zeros(coordinates.shape[1]), wanted, _FIRST)
    kept = accepted * factors(coordinates, uncut.coefficients, uncut.log_clip)
    reached = (kept / kept.sum(axis=0)) @ shares(uncut.coefficients, uncut.log_clip) @ coordinates
    return solve(uncut.coefficients, wanted + _OVERCORRECTION * (wanted - reached), _FURTHER)


def _minimise_dual(
    coordinates: NDArray[np.float64],
    mass: NDArray[np.float64],
    wanted: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimise the dual, log sum(mass exp(places . slope)) - slope . wanted, with a ridge."""

    def dual(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        exponents = coordinates @ coefficients
        top = exponents.max()
        tilted = mass * np.exp(exponents - top)
        total = tilted.sum()
        value = (
            np.log(total) + top - coefficients @ wanted + _RIDGE * coefficients @ coefficients / 2
        )
        return float(value), tilted @ coordinates / total - wanted + _RIDGE * coefficients

    found = minimize(dual, start, jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float64)

"""Entropy balancing of tilted draws: their mean stem features are made those of the wanted mix.

A tilt favours codes that are clearly of a cell, and what leaks in from neighbouring cells lies near
their borders; both move the mean of the images. One more factor of acceptance, log-linear in the
stem features, takes that back: of all reweightings with the wanted means it is the one nearest to
none (Hainmueller 2012, "Entropy balancing for causal effects", Political Analysis 20, section 3;
docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from equipoise.calibrate import solve_weights
from equipoise.distances import moments
from equipoise.generators.base import Generator
from equipoise.quantiles import weighted_quantile
from equipoise.workers import batches

PRINCIPAL = 48
"""Principal axes of the stem features, at most, whose means are matched."""

_RIDGE = 0.01
_ALTERNATIONS = 4
_FULL = 0.85
"""Quantile of the factor, over what a request accepts, from which on codes are accepted in full;
higher costs candidates."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Factors of acceptance, min(1, exp(features . slope + offset)), on pooled stem features.

    Attributes
    ----------
    slope : numpy.ndarray, shape (channels,), float32
        The same for all cells.
    offsets : numpy.ndarray, shape (K,), float64
        A cell's own, since where a cell's codes lie the factor may be small throughout.
    """

    slope: NDArray[np.float32]
    offsets: NDArray[np.float64]

    @classmethod
    def none(cls, channels: int, cells: int) -> Matching:
        """Return factors that are 1 everywhere."""
        return cls(np.zeros(channels, np.float32), np.zeros(cells))

    def log_factors(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logarithm of the factors from stem features, shape (n, K), at most 0."""
        exponents = pooled(features) @ self.slope.astype(np.float64)
        return np.minimum(exponents[:, None] + self.offsets, 0.0)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {"matching.slope": self.slope, "matching.offsets": self.offsets}


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of pooled stem features, whitened.

    Attributes
    ----------
    mean : numpy.ndarray, shape (channels,), float64
    turn : numpy.ndarray, shape (channels, D), float64
        (features - mean) @ turn has covariance 1 over the prior.
    """

    mean: NDArray[np.float64]
    turn: NDArray[np.float64]

    def place(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coordinates of pooled features, shape (n, D)."""
        return (features - self.mean) @ self.turn

    def factors(self, slope: NDArray[np.float64], full: NDArray[np.float64]) -> Matching:
        """Return exp(coordinates . slope), cut at each cell's `full` (of the exponent)."""
        in_channels = self.turn @ slope
        return Matching(in_channels.astype(np.float32), -self.mean @ in_channels - full)


def pooled(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return stem features averaged over space, shape (n, channels)."""
    return np.asarray(features.mean(axis=tuple(range(2, features.ndim))), np.float64)


def read_pooled(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the pooled stem features of codes, holding one batch of stems at a time."""
    return np.concatenate(
        [pooled(generator.stem(codes[low:high])) for low, high in batches(0, len(codes), 1024)]
    )


def principal_axes(features: NDArray[np.float64], weights: NDArray[np.float64]) -> Axes:
    """Return the principal axes of pooled features, at most `PRINCIPAL`, none without variance."""
    mean, covariance = moments(features, weights)
    values, axes = np.linalg.eigh(covariance)
    kept = np.flatnonzero(values > 1e-9 * values[-1])[-PRINCIPAL:]
    return Axes(mean, axes[:, kept] / np.sqrt(values[kept]))


@dataclass(frozen=True, eq=False)
class Matched:
    """What entropy balancing found.

    Attributes
    ----------
    slope : numpy.ndarray, shape (D,), float64
        The factor is exp(coordinates . slope) up to its cut.
    full : numpy.ndarray, shape (R,), float64
        The exponent from which on a request accepts codes in full.
    """

    slope: NDArray[np.float64]
    full: NDArray[np.float64]


def match(
    places: NDArray[np.float64],
    accepted: NDArray[np.float64],
    one_hot: NDArray[np.float64],
    target: NDArray[np.float64],
    ideal: NDArray[np.float64],
) -> Matched:
    """Find the factor under which calibrated draws have the mean coordinates of the ideal.

    Parameters
    ----------
    places : numpy.ndarray, shape (n, D), float64
        Coordinates of labelled codes.
    accepted : numpy.ndarray, shape (n, R), float64
        Mass that each request accepts of each code, at least 0.
    one_hot : numpy.ndarray, shape (n, K), float64
        The codes' cells.
    target : numpy.ndarray, shape (K,), float64
    ideal : numpy.ndarray, shape (n,), float64
        Weights under which the codes follow the target; sum to 1.
    """
    wanted = ideal @ places
    slope = np.zeros(places.shape[1])
    mass = np.zeros(len(places))
    # What the factor takes changes the confusion, and the weights by which requests are mixed.
    for _ in range(_ALTERNATIONS):
        tilted = accepted * np.exp(places @ slope)[:, None]
        sums = tilted.sum(axis=0)
        shares = solve_weights((tilted / sums).T @ one_hot, target)
        mass = accepted @ (shares / sums)
        slope = _entropy_balance(places, mass / mass.sum(), wanted)
    exponents = places @ slope
    kept = accepted * np.exp(exponents)[:, None]
    full = [weighted_quantile(exponents, own, _FULL) for own in kept.T]
    return Matched(slope, np.array(full))


def _entropy_balance(
    places: NDArray[np.float64], mass: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimise the dual, log sum(mass exp(places . slope)) - slope . wanted, with a ridge."""

    def dual(slope: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        exponents = places @ slope
        top = exponents.max()
        tilted = mass * np.exp(exponents - top)
        total = tilted.sum()
        value = np.log(total) + top - slope @ wanted + _RIDGE * slope @ slope / 2
        return float(value), tilted @ places / total - wanted + _RIDGE * slope

    found = minimize(dual, np.zeros(places.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float64)

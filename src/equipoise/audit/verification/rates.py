"""False matches between different faces: within each cell, and between the cells.

Two independent codes make two people, whatever they look like, so impostor pairs of synthetic faces
are known for certain. Genuine pairs are not: no generator here says what keeps a person the same;
`genuine` has those of photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.stats.pairs import pair_rate
from equipoise.stats.shares import Share

_LEAST_MATCHES = 10.0
"""Expected false matches from which on a threshold is set by a rate; chosen by hand."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Descriptors of n faces in K groups.

    Attributes
    ----------
    names : tuple of str
        The groups.
    group : numpy.ndarray, shape (n,), int64
    vectors : numpy.ndarray, shape (n, d), float32
        Of length 1.
    weights : numpy.ndarray, shape (n,), float64
        Above 0.
    """

    names: tuple[str, ...]
    group: NDArray[np.int64]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]

    def of(self, k: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the descriptors and weights of a group."""
        own = self.group == k
        return self.vectors[own], self.weights[own]


def check_match_settings(fmr: float, threshold: float | None) -> None:
    """Refuse a rate of false matches, or a threshold in its place, that is out of range.

    Raises
    ------
    InputError
        When one is.
    """
    if threshold is None and not 0 < fmr < 1:
        raise InputError("fmr", "must be above 0 and below 1", fmr, "Pass 0.001.")
    if threshold is not None and not -1 <= threshold <= 1:
        raise InputError("threshold", "must be in [-1, 1]", threshold, "Pass a cosine.")


def threshold_of(faces: Faces, rate: float) -> float:
    """Return the cosine similarity that a share `rate` of all pairs of different faces exceeds.

    Raises
    ------
    InputError
        When the faces have too few pairs for this rate.
    """
    n = len(faces.group)
    first, second = np.triu_indices(n, 1)
    if len(first) * rate < _LEAST_MATCHES:
        raise InputError(
            "fmr",
            f"must be at least {_LEAST_MATCHES / max(len(first), 1):.2g} with {n:,} faces",
            rate,
            "Use more images, or a higher rate.",
        )
    similarity = (faces.vectors @ faces.vectors.T)[first, second]
    weights = faces.weights[first] * faces.weights[second]
    order = np.argsort(-similarity, kind="stable")
    above = np.cumsum(weights[order]) / weights.sum()
    return float(similarity[order[np.searchsorted(above, rate)]])


def false_matches_within(faces: Faces, threshold: float, dependence: float) -> tuple[Share, ...]:
    """Return the rate of false matches among the faces of each group that has two."""
    found = []
    for k, name in enumerate(faces.names):
        vectors, weights = faces.of(k)
        if len(vectors) > 1:
            matches = vectors @ vectors.T >= threshold
            found.append(pair_rate(name, matches, weights, dependence=dependence))
    return tuple(found)


def false_matches_between(faces: Faces, threshold: float, dependence: float) -> tuple[Share, ...]:
    """Return the rate of false matches of each group with each other one."""
    found = []
    for k, name in enumerate(faces.names):
        own, weights = faces.of(k)
        for m in range(k + 1, len(faces.names)):
            others, other_weights = faces.of(m)
            if len(own) and len(others):
                matches = own @ others.T >= threshold
                pair = f"{name} with {faces.names[m]}"
                found.append(
                    pair_rate(pair, matches, weights, other_weights, dependence=dependence)
                )
    return tuple(found)


def overall(faces: Faces, threshold: float) -> Share:
    """Return the rate of false matches among all pairs."""
    return pair_rate("all pairs", faces.vectors @ faces.vectors.T >= threshold, faces.weights)


def garbe(rates: Sequence[float]) -> float:
    """Return the Gini coefficient of rates, corrected for their number; NaN where all are 0.

    The part of false matches of the Gini aggregation rate for biometric equitability (Howard et
    al. 2022, "Evaluating proposed fairness models for face recognition algorithms"). 0 is equal.

    Examples
    --------
    >>> garbe([0.01, 0.01, 0.01]), round(garbe([0.0, 0.0, 0.03]), 2)
    (0.0, 1.0)
    """
    values = np.asarray(rates, np.float64)
    count, mean = len(values), values.mean()
    if count < 2 or mean == 0:
        return float("nan")
    apart = np.abs(values[:, None] - values[None]).sum()
    return float(count / (count - 1) * apart / (2 * count**2 * mean))


def discrepancy(rates: Sequence[float]) -> float:
    """Return 1 less the largest difference of rates: the fairness discrepancy rate, of FMR alone.

    de Freitas Pereira and Marcel 2022, "Fairness in biometrics", with alpha = 1. 1 is equal.
    """
    return float(1 - np.ptp(np.asarray(rates, np.float64)))

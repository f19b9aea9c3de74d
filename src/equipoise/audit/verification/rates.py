"""False matches between different faces: within each cell, and between the cells.

Two independent codes make two people, whatever they look like, so impostor pairs of synthetic faces
are known for certain. Genuine pairs are not: no generator here says what keeps a person the same;
`genuine` has those of photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import InputError
from equipoise.stats.pairs import effective_pairs, pair_rate
from equipoise.stats.shares import Share

WITH = " with "
"""Between the names of two groups."""

_MOST_OVER = 1.5
"""Times the wanted rate that equal similarities may make of it; chosen by hand."""

_LEAST_MATCHES = 10.0
"""Expected false matches from which on a threshold is set by a rate; chosen by hand."""


@dataclass(frozen=True, eq=False)
class Faces:
    """How similar n faces in K groups are.

    Attributes
    ----------
    names : tuple of str
        The groups.
    group : numpy.ndarray, shape (n,), int64
    similarity : numpy.ndarray, shape (n, n), float32
        Symmetric; NaN where a pair was not compared.
    weights : numpy.ndarray, shape (n,), float64
        Above 0.
    stands_for : numpy.ndarray, shape (n, n), float32, or None
        How many pairs each compared pair stands for, 0 for the others; None where all were
        compared.
    """

    names: tuple[str, ...]
    group: NDArray[np.int64]
    similarity: NDArray[np.float32]
    weights: NDArray[np.float64]
    stands_for: NDArray[np.float32] | None = None

    @classmethod
    def of_vectors(
        cls,
        names: tuple[str, ...],
        group: NDArray[np.int64],
        vectors: NDArray[np.float32],
        weights: NDArray[np.float64],
    ) -> Faces:
        """Return faces by their descriptors, shape (n, d), of length 1: cosines of all pairs."""
        return cls(names, group, vectors @ vectors.T, weights)

    def rate(self, name: str, k: int, m: int, threshold: float, dependence: float | None) -> Share:
        """Return the rate of false matches between two groups, or within one where k is m."""
        own, other = (np.flatnonzero(self.group == group) for group in (k, m))
        part = np.ix_(own, other)
        return pair_rate(
            name,
            self.similarity[part] >= threshold,
            self.weights[own],
            None if k == m else self.weights[other],
            stands_for=None if self.stands_for is None else self.stands_for[part],
            dependence=dependence,
        )


def check_match_settings(fmr: float, threshold: float | None, *, cosine: bool = True) -> None:
    """Refuse a rate of false matches, or a threshold in its place, that is out of range.

    Similarities of descriptors are cosines; those of a service may be any numbers.

    Raises
    ------
    InputError
        When one is.
    """
    if threshold is None and not 0 < fmr < 1:
        raise InputError("fmr", "must be above 0 and below 1", fmr, "Pass 0.001.")
    if threshold is not None and not cosine and not isfinite(threshold):
        raise InputError("threshold", "must be a number", threshold, "Pass one of the scores.")
    if threshold is not None and cosine and not -1 <= threshold <= 1:
        raise InputError("threshold", "must be in [-1, 1]", threshold, "Pass a cosine.")


def threshold_of(faces: Faces, rate: float) -> float:
    """Return the similarity that a share `rate` of all pairs of different faces exceeds.

    Raises
    ------
    InputError
        When the faces have too few pairs for this rate.
    """
    n = len(faces.group)
    first, second = np.triu_indices(n, 1)
    similarity = faces.similarity[first, second]
    weights = faces.weights[first] * faces.weights[second]
    given = f"{n:,} faces"
    if faces.stands_for is not None:
        weights = weights * faces.stands_for[first, second]
        similarity, weights = similarity[weights > 0], weights[weights > 0]
        given = f"{len(weights):,} pairs"
    if len(weights) * rate < _LEAST_MATCHES:
        raise InputError(
            "fmr",
            f"must be at least {_LEAST_MATCHES / max(len(weights), 1):.2g} with {given}",
            rate,
            "Use more images or pairs, or a higher rate.",
        )
    order = np.argsort(-similarity, kind="stable")
    above = np.cumsum(weights[order]) / weights.sum()
    found = similarity[order[np.searchsorted(above, rate)]]
    # Many services give one score to all pairs below a limit of their own.
    reached = float(weights[similarity >= found].sum() / weights.sum())
    if reached > _MOST_OVER * rate:
        larger = similarity[similarity > found]
        if not len(larger):
            raise InputError(
                "fmr",
                f"must be at least {reached:.2g}, the share of pairs that have the largest score",
                rate,
                "Check the scores, or pass --threshold.",
            )
        found = larger.min()
    return float(found)


def false_matches_within(
    faces: Faces, threshold: float, dependence: float | None
) -> tuple[Share, ...]:
    """Return the rate of false matches within each group that has a pair."""
    rates = (faces.rate(name, k, k, threshold, dependence) for k, name in enumerate(faces.names))
    return tuple(rate for rate in rates if rate.n)


def false_matches_between(
    faces: Faces, threshold: float, dependence: float | None
) -> tuple[Share, ...]:
    """Return the rate of false matches of each group with each other one."""
    rates = (
        faces.rate(f"{one}{WITH}{other}", k, m, threshold, dependence)
        for (k, one), (m, other) in combinations(enumerate(faces.names), 2)
    )
    return tuple(rate for rate in rates if rate.n)


def compared_pairs(faces: Faces) -> float | None:
    """Return the effective number of compared pairs; None where all were compared."""
    return None if faces.stands_for is None else effective_pairs(faces.weights, faces.stands_for)


def overall(faces: Faces, threshold: float) -> Share:
    """Return the rate of false matches among all pairs."""
    matches = faces.similarity >= threshold
    return pair_rate("all pairs", matches, faces.weights, stands_for=faces.stands_for)


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

"""Distances between distributions, from plain arrays, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import sqrtm

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


def moments(features: ArrayLike, weights: ArrayLike | None = None) -> Moments:
    """Return mean, shape (F,), and covariance, shape (F, F), of features, shape (n, F).

    Weights, shape (n,), are nonnegative and need not sum to 1.
    """
    rows = np.asarray(features, dtype=np.float64)
    share = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = share / share.sum()
    mean = share @ rows
    centred = rows - mean
    return mean, (centred * share[:, None]).T @ centred


def frechet_distance(one: Moments, other: Moments) -> float:
    """Return the squared Frechet distance between two Gaussians (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), at least 0, in squared units of the features; 0
    when the moments agree. Estimates from few samples are too large.

    Examples
    --------
    >>> round(frechet_distance((np.zeros(2), np.eye(2)), (np.ones(2), np.eye(2))), 6)
    2.0
    """
    (mean1, cov1), (mean2, cov2) = one, other
    root = np.asarray(sqrtm(cov1 @ cov2)).real
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1 + cov2 - 2 * root)
    return float(max(distance, 0.0))

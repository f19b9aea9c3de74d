"""Quantiles of weighted values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def weighted_quantile(
    values: NDArray[np.floating], weights: NDArray[np.float64], level: float
) -> float:
    """Return the value up to which `level` of the weight lies.

    Parameters
    ----------
    values, weights : numpy.ndarray, shape (n,)
        Weights are at least 0.
    level : float
        In [0, 1].

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), 0.5)
    2.0
    """
    order = np.argsort(values)
    mass = weights[order].cumsum()
    return float(values[order[np.searchsorted(mass, level * mass[-1])]])

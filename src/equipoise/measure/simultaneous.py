"""Intervals for several quantities that hold all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.estimates import LEVEL


def simultaneous_region(
    draws: NDArray[np.float64], level: float = LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the box, of equal tails in every quantity, that holds a share `level` of the draws.

    The extremity of a draw is its most extreme rank, from either end, over the quantities; the
    box reaches as far as the `level` quantile of it (Besag, Green, Higdon and Mengersen 1995,
    section 6.3). Unlike Bonferroni's, it uses how the quantities move together: for two shares
    that sum to 1 it is the ordinary interval.

    Parameters
    ----------
    draws : numpy.ndarray, shape (B, K), float64
        Joint draws of K quantities.
    level : float
        In (0, 1).

    Returns
    -------
    low, high : numpy.ndarray, each shape (K,), float64

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(20_000, 2))
    >>> bool(np.allclose(simultaneous_region(draws)[1], 2.24, atol=0.05))
    True
    """
    count = len(draws)
    rank = np.argsort(np.argsort(draws, axis=0), axis=0) + 1
    extremity = np.sort(np.maximum(rank, count + 1 - rank).max(axis=1))
    reach = int(extremity[int(np.ceil(level * count)) - 1])
    ordered = np.sort(draws, axis=0)
    return ordered[count - reach], ordered[reach - 1]

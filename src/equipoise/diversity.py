"""How alike the images of one set are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from equipoise.estimates import LEVEL, Estimate

_LEAST, _REPEATS, _AT_ONCE = 10, 1000, 100


def self_similarity(
    features: ArrayLike, centre: ArrayLike | float = 0.0, seed: int = 0
) -> Estimate:
    """Return the mean cosine between two different images of a set.

    In [-1, 1]; lower is more diverse, 1 where all images point the same way. Compare it with that
    of a reference about the same centre: a cell is alike by nature. The interval is the percentile
    interval of a bootstrap over images (Efron 1979) of 1,000 repeats; pairs of an image with
    itself do not count.

    Parameters
    ----------
    features : array_like, shape (n, F)
    centre : array_like, shape (F,)
        Taken off first. About 0, features that are never negative are all alike.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> round(self_similarity(np.tile([1.0, 2.0], (10, 1))).value, 6)
    1.0
    """
    rows = np.asarray(features, np.float64) - np.asarray(centre, np.float64)
    n = len(rows)
    if n < _LEAST:
        return Estimate.missing(f"{n} images, at least {_LEAST} are needed")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(lengths > 0, lengths, 1)
    own = np.square(units).sum(axis=1)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, _REPEATS, _AT_ONCE):
        size = min(_AT_ONCE, _REPEATS - start)
        times = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        squares = np.square(times)
        pairs = np.square(times @ units).sum(axis=1) - squares @ own
        means.append(pairs / (n**2 - squares.sum(axis=1)))
    value = (np.square(units.sum(axis=0)).sum() - own.sum()) / (n * (n - 1))
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))

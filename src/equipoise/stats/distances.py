"""Distances between two sets of feature vectors, and the diversity within one, in float64.

The distances are those in use for generative models (Frechet, kernel), each with an interval. The
diversity of a set is its mean cosine similarity. Features in, numbers out: what the features are,
`equipoise.measure.features` decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.estimates import CONFIDENCE, Estimate, around, jackknife_error
from equipoise.core.seeds import Stream, generator_for

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]

_PARTS = 3
"""Largest number of parts in the extrapolation. Chosen by hand: more parts hold too few images."""

_GROUPS = 10
"""Groups of the jackknife: chosen by hand, 9 degrees of freedom at the cost of 10 more fits."""

_BLOCK = 1024
"""Rows of one block: against 10,000 others, a table of 80 MB."""


def moments(features: ArrayLike, weights: ArrayLike | None = None, *, ddof: int = 0) -> Moments:
    """Return the mean and the covariance of features.

    Parameters
    ----------
    features : array_like, shape (n, F)
    weights : array_like, shape (n,), optional
        At least 0; they need not sum to 1. Equal by default.
    ddof : int
        The covariance is divided by n - ddof; libraries for FID use 1.

    Returns
    -------
    mean : numpy.ndarray, shape (F,), float64
    covariance : numpy.ndarray, shape (F, F), float64
    """
    rows = np.asarray(features, dtype=np.float64)
    share = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = share / share.sum()
    mean = share @ rows
    centred = rows - mean
    covariance = (centred * share[:, None]).T @ centred
    return mean, covariance * (len(rows) / (len(rows) - ddof))


def frechet_distance(one: Moments, other: Moments) -> float:
    """Return the squared Frechet distance between two Gaussians (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), at least 0, in squared units of the features; 0
    when the moments are equal. The trace of the root is that of (R S2 R)^(1/2) with R = S1^(1/2),
    whose eigenvalues are real. Estimates from few samples are biased upwards.

    Examples
    --------
    >>> round(frechet_distance((np.zeros(2), np.eye(2)), (np.ones(2), np.eye(2))), 6)
    2.0
    """
    (mean1, cov1), (mean2, cov2) = one, other
    values, vectors = np.linalg.eigh(cov1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ cov2 @ root).clip(0)).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap
    return float(max(distance, 0.0))


def frechet_extrapolated(one: ArrayLike, other: ArrayLike, seed: int = 0) -> Estimate:
    """Return the squared Frechet distance between two populations, extrapolated from samples.

    The distance of two samples is biased by about a / n + b / m (Chong and Forsyth 2020, arXiv
    1911.07023, section 3). They draw subsamples of one set; here both sets are divided into k
    disjoint parts. The mean distance of the parts grows linearly with k, and the line's value at
    k = 0 is the distance at infinite n and m. k runs to 3, or to 2 where a third would have fewer
    images than features. With still fewer images the estimate is missing. It may be below 0 where
    the true distance is 0.

    The interval is that of a jackknife over 10 groups of images, each a tenth of both samples.

    Parameters
    ----------
    one, other : array_like, shape (n, F) and (m, F)
        Samples in any order; they are shuffled by `seed`.
    seed : int
        In [0, 2**63).
    """
    rng = generator_for(seed, Stream.DISTANCE_SHUFFLE)
    x, y = (rng.permutation(np.asarray(rows, np.float64)) for rows in (one, other))
    least, dim = min(len(x), len(y)), x.shape[1]
    parts = min(_PARTS, least // (dim + 1))
    if parts < 2:
        return Estimate.missing(
            f"{least} images, at least {2 * (dim + 1)} are needed to extrapolate {dim} features"
        )
    without = [_at_no_parts(x, y, parts, leave_out=group) for group in range(_GROUPS)]
    return around(_at_no_parts(x, y, parts), jackknife_error(without), _GROUPS - 1)


def _at_no_parts(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    parts: int,
    leave_out: int | None = None,
) -> float:
    """Fit a line to the mean distance of k parts, k = 1 .. parts, and return its value at k = 0.

    An image is in the same part whichever group is left out. Otherwise the jackknife would include
    the variance of the division into parts.
    """

    def cut(rows: NDArray[np.float64], count: int) -> list[Moments]:
        turn, group = np.divmod(np.arange(len(rows)), _GROUPS)
        part = np.where(group == leave_out, -1, (turn + group) % count)
        return [moments(rows[part == i], ddof=1) for i in range(count)]

    counts = range(1, parts + 1)
    means = [
        np.mean([frechet_distance(a, b) for a, b in zip(cut(one, k), cut(other, k), strict=True)])
        for k in counts
    ]
    return float(np.polyfit(counts, means, 1)[1])


def kernel_distance(one: ArrayLike, other: ArrayLike) -> Estimate:
    """Return the squared maximum mean discrepancy with the cubic polynomial kernel (KID).

    Binkowski et al. 2018, arXiv 1801.01401, section 3 and appendix C: k(x, y) = (x.y / F + 1)^3,
    and the mean of k over pairs of different images of each set, less twice its mean over pairs
    of one image from each. It is unbiased for any n, so it may be below 0 where the true distance
    is 0.

    All pairs are used, not random subsets of them, so the value is deterministic. The interval is
    that of the jackknife over the images of both sets. Where the populations are equal, the
    jackknife's variance is about twice the true one, so the interval is then too wide.

    Parameters
    ----------
    one, other : array_like, shape (n, F) and (m, F)
        At least 3 rows each; with fewer the estimate is missing.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> near, far = rng.normal(size=(500, 4)), rng.normal(1, 1, size=(500, 4))
    >>> kernel_distance(near, far).low > 0
    True
    """
    x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)
    n, m = len(x), len(y)
    if min(n, m) < 3:
        return Estimate.missing(f"{min(n, m)} images, at least 3 are needed")
    within_x, within_y = _kernel_sums(x, x, own=True)[0], _kernel_sums(y, y, own=True)[0]
    from_x, from_y = _kernel_sums(x, y)
    total_x, total_y, across = within_x.sum(), within_y.sum(), from_x.sum()
    mean_x, mean_y = total_x / (n * (n - 1)), total_y / (m * (m - 1))
    value = mean_x + mean_y - 2 * across / (n * m)
    without_x = (total_x - 2 * within_x) / ((n - 1) * (n - 2)) + mean_y
    without_x -= 2 * (across - from_x) / ((n - 1) * m)
    without_y = (total_y - 2 * within_y) / ((m - 1) * (m - 2)) + mean_x
    without_y -= 2 * (across - from_y) / (n * (m - 1))
    error = np.hypot(jackknife_error(without_x), jackknife_error(without_y))
    return around(float(value), float(error), min(n, m) - 1)


def _kernel_sums(
    x: NDArray[np.float64], y: NDArray[np.float64], own: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the kernel's sums over y for each row of x, and over x for each row of y.

    With `own`, x and y are one set, and the first sums leave out each row's kernel with itself.
    """
    rows, columns = np.zeros(len(x)), np.zeros(len(y))
    for block in blocks(len(x)):
        kernel = x[block] @ y.T
        kernel /= x.shape[1]
        kernel += 1
        kernel *= kernel * kernel
        rows[block] = kernel.sum(axis=1)
        columns += kernel.sum(axis=0)
    if own:
        rows -= (np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3
    return rows, columns


def blocks(n: int) -> Iterator[slice]:
    """Yield slices of at most 1,024 rows that cover n rows, to bound the memory of tables."""
    for start in range(0, n, _BLOCK):
        yield slice(start, min(start + _BLOCK, n))


_FEWEST = 10
"""Images below which the bootstrap's interval is not given: chosen by hand."""

_REPEATS = 1000
"""Resamples of the bootstrap: 25 lie beyond each end of a 95 % interval."""

_BATCH = 100
"""Resamples held in memory at once."""


def self_similarity(
    features: ArrayLike, centre: ArrayLike | float = 0.0, seed: int = 0
) -> Estimate:
    """Return the mean cosine between two different images of a set.

    In [-1, 1]; lower is more diverse, and 1 means that all features have one direction. Compare it
    with the value of a reference about the same centre: the images of one cell are similar in any
    case. The interval is the percentile interval of a bootstrap over images (Efron 1979) with 1,000
    resamples; pairs of an image with itself are left out.

    Parameters
    ----------
    features : array_like, shape (n, F)
        At least 10 rows; with fewer the estimate is missing.
    centre : array_like, shape (F,), or float
        Subtracted first. About 0, features that are never negative all look similar.
    seed : int
        Of the bootstrap, in [0, 2**63).

    Examples
    --------
    >>> round(self_similarity(np.tile([1.0, 2.0], (10, 1))).value, 6)
    1.0
    """
    rows = np.asarray(features, np.float64) - np.asarray(centre, np.float64)
    n = len(rows)
    if n < _FEWEST:
        return Estimate.missing(f"{n} images, at least {_FEWEST} are needed")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(lengths > 0, lengths, 1)
    own = np.square(units).sum(axis=1)
    rng = generator_for(seed, Stream.SIMILARITY_BOOTSTRAP)
    means = []
    for _ in range(0, _REPEATS, _BATCH):
        times = rng.multinomial(n, np.full(n, 1 / n), size=_BATCH).astype(np.float64)
        squares = np.square(times)
        pairs = np.square(times @ units).sum(axis=1) - squares @ own
        means.append(pairs / (n**2 - squares.sum(axis=1)))
    value = (np.square(units.sum(axis=0)).sum() - own.sum()) / (n * (n - 1))
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(value), float(low), float(high))

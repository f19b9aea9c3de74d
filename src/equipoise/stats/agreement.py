"""How far raters agree, beyond what chance would bring."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import cohen_kappa_score

from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Cohen's kappa of two raters over the images that both judged.

    (p_o - p_e) / (1 - p_e), with p_o the share of images on which they agree and p_e what two
    raters with their own frequencies would agree on by chance (Cohen 1960). 1 is full agreement,
    0 that of chance. It misleads where one level is rare: p_e is then near 1.

    Parameters
    ----------
    first, second : array_like of int, shape (n,)
        Levels; -1 where a rater gave none.

    Returns
    -------
    float or None
        At most 1; None when no image has both, or both raters gave one level throughout.

    Examples
    --------
    >>> cohen_kappa([0, 0, 1, 1], [0, 0, 1, 0])
    0.5
    """
    a, b = np.asarray(first), np.asarray(second)
    both = (a != UNKNOWN) & (b != UNKNOWN)
    # Of no image, or of one level throughout, p_e is 1 and kappa is not defined.
    if len(np.union1d(a[both], b[both])) < 2:
        return None
    return float(cohen_kappa_score(a[both], b[both]))


def krippendorff_alpha(ratings: ArrayLike) -> float | None:
    """Return Krippendorff's alpha for nominal levels, any number of raters, with gaps.

    1 - D_o / D_e over the images with at least two ratings. An image with m ratings gives each
    ordered pair of them the weight 1 / (m - 1) in the table of coincidences o, whose margins are
    n_c and whose sum is n:  D_o = 1 - sum_c o_cc / n,  D_e = 1 - sum_c n_c (n_c - 1) / (n (n - 1))
    (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"). 1 is full agreement, 0 that
    of chance; he asks for 0.8, and for 0.667 where conclusions may be tentative.

    Parameters
    ----------
    ratings : array_like of int, shape (raters, n)
        Levels; -1 where a rater gave none.

    Returns
    -------
    float or None
        At most 1; None when no image has two ratings, or all ratings are of one level.

    Raises
    ------
    InputError
        When `ratings` has another number of dimensions.

    Examples
    --------
    >>> krippendorff_alpha([[0, 0, 1, 1], [0, 0, 1, 1]])
    1.0
    """
    table = np.asarray(ratings)
    if table.ndim != 2:
        raise InputError(
            "ratings", "must have one row a rater", f"shape {table.shape}", "Stack the raters."
        )
    votes = count_votes(table, int(table.max(initial=0)) + 1)
    votes = votes[votes.sum(axis=1) >= 2].astype(np.float64)
    total = votes.sum()
    if not total:
        return None
    agreeing = (votes * (votes - 1) / (votes.sum(axis=1, keepdims=True) - 1)).sum()
    margins = votes.sum(axis=0)
    expected = 1 - (margins * (margins - 1)).sum() / (total * (total - 1))
    return None if expected == 0 else float(1 - (1 - agreeing / total) / expected)


def count_votes(ratings: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """Return how many raters gave each image each level, shape (n, size)."""
    return np.stack([(ratings == level).sum(axis=0) for level in range(size)], axis=1)

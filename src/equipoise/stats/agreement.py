"""Agreement between raters, corrected for the agreement expected by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import cohen_kappa_score

from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Cohen's kappa of two raters over the images that both labelled.

    (p_o - p_e) / (1 - p_e), where p_o is the share of images with equal labels and p_e is its
    expectation for two raters who label independently, each with their own frequencies (Cohen
    1960). 1 is full agreement, 0 is agreement by chance. Kappa misleads where one level is rare,
    because p_e is then near 1. Computed by `sklearn.metrics.cohen_kappa_score`.

    Parameters
    ----------
    first, second : array_like of int, shape (n,)
        Levels; -1 where a rater gave none.

    Returns
    -------
    float or None
        At most 1. None when no image has two labels, or all labels are of one level.

    Examples
    --------
    >>> cohen_kappa([0, 0, 1, 1], [0, 0, 1, 0])
    0.5
    """
    a, b = np.asarray(first), np.asarray(second)
    both = (a != UNKNOWN) & (b != UNKNOWN)
    # With no image, or one level throughout, p_e is 1 and kappa is 0 / 0.
    if len(np.union1d(a[both], b[both])) < 2:
        return None
    return float(cohen_kappa_score(a[both], b[both]))


def krippendorff_alpha(ratings: ArrayLike) -> float | None:
    """Return Krippendorff's alpha for nominal levels, any number of raters and missing ratings.

    1 - D_o / D_e over the images with at least two ratings. An image with m ratings gives each
    ordered pair of them the weight 1 / (m - 1) in the table of coincidences o, whose margins are
    n_c and whose sum is n:  D_o = 1 - sum_c o_cc / n,  D_e = 1 - sum_c n_c (n_c - 1) / (n (n - 1))
    (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"). 1 is full agreement, 0 is
    agreement by chance. Krippendorff recommends at least 0.8, and at least 0.667 for tentative
    conclusions.

    Parameters
    ----------
    ratings : array_like of int, shape (raters, n)
        Levels; -1 where a rater gave none.

    Returns
    -------
    float or None
        At most 1. None when no image has two ratings, or all ratings are of one level.

    Raises
    ------
    InputError
        When `ratings` is not two-dimensional.

    Examples
    --------
    >>> krippendorff_alpha([[0, 0, 1, 1], [0, 0, 1, 1]])
    1.0
    """
    table = np.asarray(ratings)
    if table.ndim != 2:
        raise InputError(
            "ratings", "must have one row per rater", f"shape {table.shape}", "Stack the raters."
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
    """Count how many raters gave each image each level.

    Parameters
    ----------
    ratings : numpy.ndarray of int, shape (raters, n)
        Levels in [0, size); other values are not counted.
    size : int
        Number of levels.

    Returns
    -------
    numpy.ndarray, shape (n, size), int64
    """
    return np.stack([(ratings == level).sum(axis=0) for level in range(size)], axis=1)

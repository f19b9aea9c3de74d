"""Where the images of each cell lie on average, from few labels and many codes without one.

The labelled codes of a rare cell are few, and their mean is noisy. The latent classifier's
P(cell | code) gives a mean over codes without limit, wrong where the classifier is; what labelled
codes say beyond it corrects that. This is the difference estimator of surveys (Sarndal, Swensson
and Wretman 1992, "Model Assisted Survey Sampling", chapter 6), each label set against a member that
was not fitted on it (Chernozhukov et al. 2018, arXiv 1608.00060, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.fresh import Fresh
from equipoise.latent import FOLDS


def cell_means(
    fresh: Fresh,
    places: NDArray[np.float64],
    one_hot: NDArray[np.float64],
    held_out: NDArray[np.float64],
    weights: NDArray[np.float64],
    folds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Estimate the mean coordinates of each cell's codes under the prior.

    Parameters
    ----------
    fresh : Fresh
        n codes of the prior.
    places : numpy.ndarray, shape (m, D), float64
        Coordinates of labelled codes.
    one_hot : numpy.ndarray, shape (m, K), float64
        Their cells.
    held_out : numpy.ndarray, shape (m, K), float64
        Their P(cell | code) by the member that was not fitted on them.
    weights : numpy.ndarray, shape (m,), float64
        With which they stand for the prior.
    folds : numpy.ndarray, shape (m,), int64
        Number of that member.

    Returns
    -------
    numpy.ndarray, shape (K, D), float64
        NaN for a cell without mass. Of a cell with hardly a label they are noise.
    """
    cells, dimensions = one_hot.shape[1], places.shape[1]
    sums, mass = np.zeros((cells, dimensions)), np.zeros(cells)
    for fold in range(FOLDS):
        h = np.exp(fresh.members[fold].astype(np.float64))
        own = folds == fold
        share = weights[own] / weights[own].sum()
        left = (one_hot[own] - held_out[own]) * share[:, None]
        sums += h.T @ fresh.places / len(h) + left.T @ places[own]
        mass += h.mean(axis=0) + left.sum(axis=0)
    return sums / np.where(mass > 0, mass, np.nan)[:, None]

"""Linear systems of shares: their correction by a confusion matrix, and weights for a target.

Observed shares are the true shares times P(prediction | true level). That system is solved where
the matrix is well conditioned, and its solutions are bounded where it is nearly singular.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, nnls

from equipoise.core.estimates import CONFIDENCE
from equipoise.stats.intervals import exact_bounds

_DISTANCE_DRAWS = 200
"""Draws that estimate the uncertainty of the matrix, chosen by hand: norms of all cost more."""

_LEAST_TARGET = 1e-3
"""Target share below which errors are no longer weighted more, chosen by hand."""

_SUM_WEIGHT = 1e3
"""Weight of the equation that the weights sum to 1: by hand, far above those of the shares."""


def least_squares(
    weights: NDArray[np.float64], rates: NDArray[np.float64], seen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Solve shares @ rates = weights for each of B draws by weighted least squares.

    Errors are weighted by the inverse of their variance. Solutions are not clipped to the simplex:
    clipping would pile draws up on its boundary and cut the intervals there.

    Parameters
    ----------
    weights : numpy.ndarray, shape (B, A), float64
        Shares of the A predictions.
    rates : numpy.ndarray, shape (B, K, A), float64
        P(prediction | true level).
    seen : numpy.ndarray, shape (A,), int64
        Images with each prediction, which give the variances.

    Returns
    -------
    numpy.ndarray, shape (B, K), float64
        Shares of the true levels; they may lie outside [0, 1].
    """
    scale = (seen.sum() + 1) / (seen + 1 / len(seen))
    scaled = rates * scale
    normal = scaled @ rates.transpose(0, 2, 1)
    return np.asarray(np.linalg.solve(normal, scaled @ weights[:, :, None])[:, :, 0])


def nearly_singular(rates: NDArray[np.float64], drawn: NDArray[np.float64]) -> bool:
    """Return whether a singular matrix lies within the uncertainty of the estimate.

    The least singular value is the distance to the nearest singular matrix (Eckart and Young 1936).
    It is compared with the 95 % quantile of the distance between the draws and the estimate.

    Parameters
    ----------
    rates : numpy.ndarray, shape (K, A), float64
        Estimate of P(prediction | true level).
    drawn : numpy.ndarray, shape (B, K, A), float64
        Draws of it.
    """
    if rates.shape[0] > rates.shape[1]:
        return True
    apart = np.linalg.norm(drawn[:_DISTANCE_DRAWS] - rates, ord=2, axis=(1, 2))
    return bool(np.linalg.svd(rates, compute_uv=False)[-1] <= np.quantile(apart, CONFIDENCE))


def possible_shares(
    answers: NDArray[np.int64], table: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return simultaneous bounds of the true shares at `CONFIDENCE`, valid for any matrix.

    Every share of a prediction, and every rate of a prediction given a true level, has exact
    bounds; the error `1 - CONFIDENCE` is divided between them. Shares s are possible when
    s @ (lowest rates) is at most the upper bounds of the predictions' shares, and
    s @ (highest rates) at least the lower bounds. Each bound of s is a linear program under these
    constraints. The bounds hold for singular matrices too, and are wide.

    Parameters
    ----------
    answers : numpy.ndarray, shape (A,), int64
        Images with each prediction, at least one in all.
    table : numpy.ndarray, shape (K, A), int64
        Images labelled by people, by true level and prediction; at least one in each row.

    Returns
    -------
    (low, high), each shape (K,), float64, in [0, 1]; or None
        None when no shares are possible.
    """
    size, count = table.shape
    error = (1 - CONFIDENCE) / (count + table.size)
    least, most = exact_bounds(answers, int(answers.sum()), error)
    lowest, highest = exact_bounds(table, table.sum(axis=1, keepdims=True), error)
    system = np.vstack([lowest.T, -highest.T])
    limits = np.concatenate([most, -least])
    found = np.empty((2, size))
    for k in range(size):
        for row, sign in enumerate((1.0, -1.0)):
            cost = np.zeros(size)
            cost[k] = sign
            solved = linprog(cost, system, limits, np.ones((1, size)), [1.0], bounds=(0, 1))
            if solved.status != 0:
                return None
            found[row, k] = solved.x[k]
    return found[0].clip(0, 1), found[1].clip(0, 1)


def solve_weights(confusion: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Return the weights for which weights @ confusion is nearest to a target.

    By nonnegative least squares (Lawson and Hanson 1974).

    Parameters
    ----------
    confusion : array_like, shape (R, K)
        At least 0; rows sum to 1.
    target : array_like, shape (K,)
        At least 0; sums to 1.

    Returns
    -------
    numpy.ndarray, shape (R,), float64
        At least 0; sums to 1.

    Examples
    --------
    >>> solve_weights([[0.9, 0.1], [0.2, 0.8]], [0.5, 0.5]).round(4).tolist()
    [0.4286, 0.5714]
    """
    rows, wanted = np.asarray(confusion, np.float64), np.asarray(target, np.float64)
    # Errors are relative to the target, as in KL. In a cell of target 0 that would be infinite, so
    # its errors are relative to an even share.
    base = np.where(wanted > 0, np.maximum(wanted, _LEAST_TARGET), 1 / len(wanted))
    scale = 1 / np.sqrt(base)
    system = np.vstack([rows.T * scale[:, None], np.full(len(rows), _SUM_WEIGHT)])
    weights, _ = nnls(system, np.append(wanted * scale, _SUM_WEIGHT))
    return np.asarray(weights / weights.sum())

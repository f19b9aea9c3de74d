"""Shares from answers and P(answer | true level): solved, or bounded where that is singular."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, nnls

from equipoise.core.estimates import CONFIDENCE
from equipoise.stats.intervals import exact_bounds

_DISTANCE_DRAWS = 200


def least_squares(
    weights: NDArray[np.float64], rates: NDArray[np.float64], seen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Solve each draw without the bounds of the simplex, errors weighted by their variance.

    Clipping draws to the simplex would pile them up on its edge and cut the intervals there.
    """
    scale = (seen.sum() + 1) / (seen + 1 / len(seen))
    scaled = rates * scale
    normal = scaled @ rates.transpose(0, 2, 1)
    return np.asarray(np.linalg.solve(normal, scaled @ weights[:, :, None])[:, :, 0])


def nearly_singular(rates: NDArray[np.float64], drawn: NDArray[np.float64]) -> bool:
    """Tell whether a singular matrix lies as near as the estimate is unsure.

    The least singular value is the distance to the nearest singular matrix (Eckart and Young 1936).
    """
    if rates.shape[0] > rates.shape[1]:
        return True
    unsure = np.quantile(np.linalg.norm(drawn[:_DISTANCE_DRAWS] - rates, ord=2, axis=(1, 2)), 0.95)
    return bool(np.linalg.svd(rates, compute_uv=False)[-1] <= unsure)


def possible_shares(
    answers: NDArray[np.int64], table: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return bounds of the true shares that hold together at `CONFIDENCE`, or None when none fit.

    Every share of an answer, and every rate of an answer on a true level, has its exact bounds,
    `1 - LEVEL` shared out over all of them. Shares s are possible when s @ (lowest rates) and
    s @ (highest rates) do not pass the answers' shares; each bound is a linear program over them.
    The bounds are right for any matrix, a singular one included, and wide.

    Parameters
    ----------
    answers : numpy.ndarray, shape (A,), int64
        Images by answer, at least one in all.
    table : numpy.ndarray, shape (K, A), int64
        Judged images by true level and answer, at least one a row.

    Returns
    -------
    (low, high), each shape (K,), float64, in [0, 1]; or None
        None: no shares can give these answers with such rates.
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
    """Return weights, shape (R,), with weights @ confusion nearest to target, shape (K,).

    Parameters
    ----------
    confusion : array_like, shape (R, K)
        Rows sum to 1.
    target : array_like, shape (K,)
        Sums to 1.

    Examples
    --------
    >>> solve_weights([[0.9, 0.1], [0.2, 0.8]], [0.5, 0.5]).round(4).tolist()
    [0.4286, 0.5714]
    """
    rows, wanted = np.asarray(confusion, np.float64), np.asarray(target, np.float64)
    # Errors count relative to the target, as they do in KL, and in a cell of target 0, where that
    # would be beyond all measure, as in an even one. A heavy row holds the sum at 1.
    scale = 1 / np.sqrt(np.where(wanted > 0, np.maximum(wanted, 1e-3), 1 / len(wanted)))
    heavy = 1e3
    system = np.vstack([rows.T * scale[:, None], np.full(len(rows), heavy)])
    weights, _ = nnls(system, np.append(wanted * scale, heavy))
    return np.asarray(weights / weights.sum())

"""Calibration: how often to request each cell so that the achieved shares meet the target.

With C the confusion (rows requested, columns achieved, each row summing to 1), nonnegative least
squares finds weights w with w @ C = target, w at least 0 and summing to 1. If there are none, the
nearest mix is used, and its distance from the target is returned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.targets import Target
from equipoise.stats.simplex import solve_weights

_POSTERIOR_DRAWS = 4000
_REACHED = 1e-3


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """Weights over requested cells, with the shares that they are expected to give.

    Attributes
    ----------
    weights : numpy.ndarray, shape (K,), float64
        At least 0, sum to 1.
    expected : numpy.ndarray, shape (K,), float64
        Expected shares of one-shot draws, by the measured confusion.
    low, high : numpy.ndarray, shape (K,), float64
        95 % interval of the true shares of one-shot draws: the uncertainty of the confusion and of
        the share of each request that stays unknown. It leaves out the sampling error of a finite
        number of draws.
    distance : float
        Total variation between `expected` and the target; 0 when the target can be reached.
    reachable : bool
        Whether `distance` is below 0.001.
    purity : numpy.ndarray, shape (K,), float64
        Share of requests that are achieved; NaN for a cell that was not requested.
    calls_per_verified_image : float
        Generator calls per verified image: target / purity, summed over cells. Slightly too high
        where verified draws have a purer source of their own.
    measured : int
        Draws that the confusion was measured on.
    """

    weights: NDArray[np.float64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    distance: float
    reachable: bool
    purity: NDArray[np.float64]
    calls_per_verified_image: float
    measured: int


def calibrate(counts: NDArray[np.int64], target: Target, seed: int = 0) -> Calibration:
    """Solve for the weights from a measured confusion.

    Parameters
    ----------
    counts : numpy.ndarray, shape (K, K + 1), int64
        Rows requested, columns achieved, the last column unknown. Rows of cells of target 0 may
        be 0; unknown images count in no share, and cost.
    target : Target
        What the known images are to follow.
    seed : int
        Of the draws from the posterior.

    Raises
    ------
    InsufficientLabelsError
        When a cell of positive target was not requested, or a requested one gave no known image.
    """
    grid = target.grid
    wanted = target.shares > 0
    _check_requested(grid, wanted, counts)
    requested = np.flatnonzero(counts.sum(axis=1))
    known = counts[requested, :-1].astype(np.float64)
    check_known(grid, requested, known)
    rates = known.sum(axis=1) / counts[requested].sum(axis=1)
    confusion = known / known.sum(axis=1, keepdims=True)
    shares = solve_weights(confusion, target.shares)
    expected = shares @ confusion
    weights = np.zeros(grid.size)
    weights[requested] = shares / rates
    weights /= weights.sum()
    # An independent Dirichlet posterior a row; the small prior keeps unseen columns possible.
    rng = generator_for(seed, Stream.CALIBRATION_POSTERIOR)
    draws = np.zeros((_POSTERIOR_DRAWS, grid.size))
    for k in requested:
        draws += weights[k] * rng.dirichlet(counts[k] + 1 / grid.size, _POSTERIOR_DRAWS)[:, :-1]
    low, high = np.quantile(draws / draws.sum(axis=1, keepdims=True), [0.025, 0.975], axis=0)
    purity = np.full(grid.size, np.nan)
    purity[requested] = known[np.arange(len(requested)), requested] / counts[requested].sum(axis=1)
    distance = float(np.abs(expected - target.shares).sum() / 2)
    with np.errstate(divide="ignore"):
        calls = float((target.shares[wanted] / purity[wanted]).sum())
    return Calibration(
        weights=weights,
        expected=expected,
        low=low,
        high=high,
        distance=distance,
        reachable=distance < _REACHED,
        purity=purity,
        calls_per_verified_image=calls,
        measured=int(counts.sum()),
    )


def _check_requested(
    grid: AttributeGrid, wanted: NDArray[np.bool_], counts: NDArray[np.int64]
) -> None:
    missed = np.flatnonzero(wanted & (counts.sum(axis=1) == 0))
    if len(missed):
        raise InsufficientLabelsError(
            f"cell {grid.cells[missed[0]]!r}",
            "must be requested in some of the draws that calibrate",
            f"none of {counts.sum():,}",
            "Raise --calibrate-n.",
        )


def check_known(
    grid: AttributeGrid, requested: NDArray[np.int64], known: NDArray[np.float64]
) -> None:
    """Check that each requested cell gave some known image.

    Raises
    ------
    InsufficientLabelsError
        Otherwise, naming the cell.
    """
    for k, row in zip(requested, known, strict=True):
        if not row.sum():
            raise InsufficientLabelsError(
                f"cell {grid.cells[k]!r}",
                "must give some known image when it is requested",
                "none",
                "Lower --abstain-below, or label more codes.",
            )

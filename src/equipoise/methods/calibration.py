"""Calibration: choose how often each cell is requested, so that the achieved mix meets the target.

Not every request is achieved. Let C be the measured confusion matrix: C[i, j] is the share of
requests of cell i whose images are of cell j. Calibration solves w @ C = target for weights w that
are at least 0 and sum to 1, by nonnegative least squares. When there is no exact solution, it takes
the weights whose mix is nearest to the target, and reports the remaining distance.
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
"""Draws of the posterior. A 2.5 % quantile then rests on 100 draws; chosen by hand."""

_REACHED = 1e-3
"""Total variation up to which a target counts as reachable, chosen by hand: 0.1 percentage points
are far below the sampling noise of any run."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Request weights, and the mix that they are expected to give.

    Attributes
    ----------
    weights : numpy.ndarray, shape (K,), float64
        Share of the requests for each cell. At least 0; they sum to 1.
    expected : numpy.ndarray, shape (K,), float64
        Expected shares of one-shot draws under the measured confusion matrix; they sum to 1.
    low, high : numpy.ndarray, shape (K,), float64
        Pointwise 95 % credible interval of the shares of one-shot draws. It covers the uncertainty
        of the confusion matrix and of the rate of unknown images. It does not cover the sampling
        noise of a finite number of draws.
    distance : float
        Total variation between `expected` and the target, in [0, 1]. 0 is best.
    reachable : bool
        Whether `distance` is below 0.001.
    purity : numpy.ndarray, shape (K,), float64
        Share of a cell's requests that achieve it, in [0, 1]. NaN for a cell that was not
        requested.
    calls_per_verified_image : float
        Expected generator calls per verified image: target / purity, summed over cells. At least
        1; infinite when a wanted cell never came out. Too high where verified draws come from a
        purer source than one-shot draws.
    measured : int
        Number of draws that the confusion matrix was measured on.
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
    """Return the request weights that bring the known images nearest to the target.

    Parameters
    ----------
    counts : numpy.ndarray, shape (K, K + 1), int64
        Requested (rows) against achieved cells (columns), the last column for unknown images. The
        row of a cell with target 0 may be all 0. Unknown images count in no share, but they cost.
    target : Target
        The wanted shares of the known images.
    seed : int
        Seed of the draws from the posterior, in [0, 2**63).

    Returns
    -------
    Calibration

    Raises
    ------
    InsufficientLabelsError
        When a cell with a positive target was not requested, or a requested cell gave no known
        image.
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
    # An independent Dirichlet posterior per row. Its prior of 1/K keeps unseen columns possible.
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
        weights,
        expected,
        low,
        high,
        distance,
        distance < _REACHED,
        purity,
        calls,
        int(counts.sum()),
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
    """Check that each requested cell gave at least one known image.

    Parameters
    ----------
    grid : AttributeGrid
    requested : numpy.ndarray, shape (R,), int64
        The requested cells.
    known : numpy.ndarray, shape (R, K), float64
        Counts of known images, one row per requested cell.

    Raises
    ------
    InsufficientLabelsError
        When a row has none; the error names the cell.
    """
    for k, row in zip(requested, known, strict=True):
        if not row.sum():
            raise InsufficientLabelsError(
                f"cell {grid.cells[k]!r}",
                "must give some known image when it is requested",
                "none",
                "Lower --abstain-below, or label more codes.",
            )

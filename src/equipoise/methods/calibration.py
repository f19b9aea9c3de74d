"""Calibration: choose how often each cell is requested, so that the achieved mix meets the target.

With C the confusion (rows requested, columns achieved, each row summing to 1), weights w are
sought with w @ C = target, w at least 0 and summing to 1, by nonnegative least squares. Where no
such weights exist, the nearest mix is taken, and its distance from the target is reported.
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

REACHED = 1e-3
"""Total variation from the target up to which it counts as reached."""

_RIDGE = 0.05
"""Pull of requests towards target / purity where a target is out of reach; chosen by hand."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """Request weights, and the mix that they are expected to give.

    Attributes
    ----------
    weights : numpy.ndarray, shape (K,), float64
        Share of the requests for each cell. At least 0; they sum to 1.
    expected : numpy.ndarray, shape (K,), float64
        Shares that one-shot draws are expected to show, by the confusion.
    low, high : numpy.ndarray, shape (K,), float64
        95 % interval of the true shares of one-shot draws, from the uncertainty of the confusion.
        Sampling noise of a finite number of draws comes on top.
    distance : float
        Total variation between `expected` and the target, in [0, 1]. 0 is best.
    reachable : bool
        Whether `distance` is below 0.001.
    purity : numpy.ndarray, shape (K,), float64
        Share of a cell's requests that achieve it, in [0, 1]. NaN for a cell that was not
        requested.
    calls_per_verified_image : float
        Generator calls per verified image by these draws, target / purity summed over cells.
    measured : int
        Labelled codes that the confusion comes from.
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


def calibrate(
    confusion: NDArray[np.float64],
    drawn: NDArray[np.float64],
    target: Target,
    measured: int,
) -> Calibration:
    """Solve for the weights from a confusion.

    Parameters
    ----------
    confusion : numpy.ndarray, shape (K, K + 1), float64
        Rows requested, columns achieved, the last column unknown; rows sum to 1. Rows of cells
        that were not requested are 0; unknown images count in no share, and cost.
    drawn : numpy.ndarray, shape (B, K, K + 1), float64
        Draws of the confusion: of its posterior, or of a bootstrap.
    target : Target
        What the known images are to follow.
    measured : int
        Labelled codes that the confusion comes from.

    Raises
    ------
    InsufficientLabelsError
        When a cell with a positive target was not requested, or a requested cell gave no known
        image.
    """
    grid = target.grid
    wanted = target.shares > 0
    requested = np.flatnonzero(confusion.sum(axis=1))
    _check_requested(grid, wanted, requested, measured)
    known = confusion[requested, :-1]
    check_known(grid, requested, known)
    rates = known.sum(axis=1)
    achieved = known / rates[:, None]
    own = known[np.arange(len(requested)), requested]
    weights = np.zeros(grid.size)
    weights[requested] = _request(achieved, target.shares, own, requested) / rates
    return expect(weights / weights.sum(), confusion, drawn, target, measured)


def expect(
    weights: NDArray[np.float64],
    confusion: NDArray[np.float64],
    drawn: NDArray[np.float64],
    target: Target,
    measured: int,
) -> Calibration:
    """Return what given request rates bring by a confusion.

    Parameters
    ----------
    weights : numpy.ndarray, shape (K,), float64
        Share of the requests for each cell; positive only where the confusion has a row.
    confusion, drawn, target, measured
        As for `calibrate`.
    """
    requested, wanted = confusion.sum(axis=1) > 0, target.shares > 0
    known = confusion[:, :-1]
    expected = weights @ known / (weights @ known).sum()
    purity = np.where(requested, np.diagonal(known), np.nan)
    mixes = np.einsum("k,bkj->bj", weights, drawn)[:, :-1]
    low, high = np.quantile(mixes / mixes.sum(axis=1, keepdims=True), [0.025, 0.975], axis=0)
    distance = float(np.abs(expected - target.shares).sum() / 2)
    with np.errstate(divide="ignore"):
        calls = float((target.shares[wanted] / purity[wanted]).sum())
    return Calibration(
        weights=weights,
        expected=expected,
        low=low,
        high=high,
        distance=distance,
        reachable=distance < REACHED,
        purity=purity,
        calls_per_verified_image=calls,
        measured=measured,
    )


def calibrate_counts(counts: NDArray[np.int64], target: Target, seed: int = 0) -> Calibration:
    """Solve for the weights from counted draws.

    Parameters
    ----------
    counts : numpy.ndarray, shape (K, K + 1), int64
        Rows requested, columns achieved, the last column unknown. Rows of cells of target 0 may
        be 0.
    target : Target
    seed : int
        Of the draws from the posterior.

    Raises
    ------
    InsufficientLabelsError
        As `calibrate`.
    """
    return calibrate(*posterior(counts, seed), target, int(counts.sum()))


def posterior(
    counts: NDArray[np.int64], seed: int = 0, draws: int = _POSTERIOR_DRAWS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the confusion of counted draws, and draws of its posterior, for `calibrate`.

    Parameters
    ----------
    counts : numpy.ndarray, shape (K, K + 1), int64
        As for `calibrate_counts`.
    seed, draws : int
        Of the draws, and how many.

    Returns
    -------
    confusion : numpy.ndarray, shape (K, K + 1), float64
    drawn : numpy.ndarray, shape (draws, K, K + 1), float64
    """
    totals = counts.sum(axis=1)
    confusion = counts / np.maximum(totals, 1)[:, None]
    # An independent Dirichlet posterior a row; the small prior keeps unseen columns possible.
    rng = generator_for(seed, Stream.CALIBRATION_POSTERIOR)
    drawn = np.zeros((draws, *counts.shape))
    for k in np.flatnonzero(totals):
        drawn[:, k] = rng.dirichlet(counts[k] + 1 / len(counts), draws)
    return confusion, drawn


def _request(
    achieved: NDArray[np.float64],
    target: NDArray[np.float64],
    purity: NDArray[np.float64],
    requested: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how to mix requests; where the target is out of reach, not of rare cells alone.

    The nearest mix then would request rare cells only, and common cells would be made of their
    errors. A small pull towards target / purity keeps them. A cell that never came out has no
    purity, and is not asked for in vain.
    """
    shares = solve_weights(achieved, target)
    if np.abs(shares @ achieved - target).sum() / 2 < REACHED:
        return shares
    own = target[requested]
    preferred = np.divide(own, purity, out=np.zeros_like(own), where=purity > 0)
    if not preferred.any():
        preferred = own
    return solve_weights(achieved, target, ridge=_RIDGE, preferred=preferred / preferred.sum())


def _check_requested(
    grid: AttributeGrid, wanted: NDArray[np.bool_], requested: NDArray[np.int64], measured: int
) -> None:
    missed = np.setdiff1d(np.flatnonzero(wanted), requested)
    if len(missed):
        raise InsufficientLabelsError(
            f"cell {grid.cells[missed[0]]!r}",
            "must be requested by some of the labelled codes that calibrate",
            f"none of {measured:,}",
            "Raise --n, or --directed.",
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

"""Cost of verified draws whose candidates all cells share, stated before any draw.

See `equipoise.samplers.shared`. With r_k the rate at which cell k is wanted and a_k its acceptance,
a code of the prior is made into an image with probability in proportion to max r_k a_k over the
cells that still miss images, and brings one of cell k in proportion to r_k E[a_k, cell k]. Rates
are set so that all cells fill together. Where the labels were misled by chance, some fill early,
and the others go on with fewer candidates each. So rates stay those that the labels give, and each
resample of the labels is a truth that they may meet (the Bayesian bootstrap, Rubin 1981). Draws
know the share of the prior that a cell accepts better than the labels do, so what is stated is a
little dear where labels are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import Estimate
from equipoise.methods.tilt.held_out import HeldOut
from equipoise.samplers.statements import CellStatement


@dataclass(frozen=True, kw_only=True)
class SharedCalls:
    """Calls of verified draws of a target; attributes as those of `ModeStatement`."""

    calls: Estimate
    calls_per_effective: Estimate
    saved: float


def rates_of(
    held: HeldOut, accepted: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return r_k, by the labels, shape (K,): 0 for cells that the target does not want."""
    own = held.weights / held.weights.sum() @ (accepted * held.member)
    return np.asarray(np.where(shares > 0, shares / own.clip(1e-300), 0.0))


def shared_calls(
    held: HeldOut,
    accepted: NDArray[np.float64],
    target: tuple[NDArray[np.float64], NDArray[np.float64]],
    cells: tuple[CellStatement, ...],
    stages: float,
) -> SharedCalls:
    """State what images of a target cost, many at a time.

    Parameters
    ----------
    held : HeldOut
    accepted : numpy.ndarray, shape (n, K), float64
        Probability that each cell accepts each labelled code.
    target : tuple of two numpy.ndarray, shape (K,), float64
        Its shares, and the rates that `rates_of` returns.
    cells : tuple of CellStatement
        Of the cells of positive target, in their order.
    stages : float
        Cost of the stages of all candidates per shared one that is made, in calls.
    """
    wanted = target[0] > 0
    shares, rates = (numbers[wanted] for numbers in target)
    unknown = [cell for cell in cells if not np.isfinite(cell.purity.value)]
    if unknown:
        none = Estimate.missing(f"too few labelled members of {unknown[0].cell}")
        return SharedCalls(calls=none, calls_per_effective=none, saved=np.nan)
    rows = np.concatenate([held.weights[None], held.resampled])  # First the labels as they are.
    rows /= rows.sum(axis=1, keepdims=True)
    taken = accepted[:, wanted]
    own = rows @ (taken * held.member[:, wanted])
    rated = taken * rates
    useful = rated.any(axis=1)
    costs = np.array(
        [
            cost_of_sharing(shares / (rates * own_b), rated[useful], row, stages)
            for own_b, row in zip(own[1:], rows[1:, useful], strict=True)
        ]
    )
    alone = shares @ ((rows[0] @ taken) / own[0])
    # An image of a cell is worth its effective share.
    worth = float(shares @ np.array([1 / cell.effective.value for cell in cells]))
    return SharedCalls(
        calls=_expected(costs),
        calls_per_effective=_expected(worth * costs),
        saved=float(1 - rows[0] @ rated.max(axis=1) / alone),
    )


def _expected(costs: NDArray[np.float64]) -> Estimate:
    """Return the mean of resampled costs, and the interval that holds 95 % of them."""
    low, high = np.quantile(costs, (0.025, 0.975))
    return Estimate(float(costs.mean()), float(low), float(high))


def cost_of_sharing(
    full: NDArray[np.float64],
    rated: NDArray[np.float64],
    weights: NDArray[np.float64],
    stages: float,
) -> float:
    """Return calls per image of a target, where candidates serve the cells that are not yet full.

    Parameters
    ----------
    full : numpy.ndarray, shape (K,), float64
        Codes of the prior per image of the target after which each cell is full, to the scale of
        `rated`.
    rated : numpy.ndarray, shape (n, K), float64
        Rate times acceptance of each cell, for codes of the prior.
    weights : numpy.ndarray, shape (n,), float64
        Of these codes.
    stages : float
        As for `shared_calls`: stages are read for all cells as long as one is not full.

    Examples
    --------
    Two cells accept the same codes, and one is full after half as many as the other.

    >>> cost_of_sharing(np.array([1.0, 2.0]), np.array([[0.8, 0.8]]), np.ones(1), 0.0)
    1.6
    >>> apart = np.array([[0.8, 0.0], [0.0, 0.8]])
    >>> round(cost_of_sharing(np.array([1.0, 2.0]), apart, np.ones(2), 0.0), 9)
    2.4
    """
    last = np.argsort(-full, kind="stable")
    made = weights @ np.maximum.accumulate(rated[:, last], axis=1)  # For it and those filled later.
    phases = full[last] - np.append(full[last[1:]], 0.0)
    return float(phases @ made + stages * full.max() * made[-1])

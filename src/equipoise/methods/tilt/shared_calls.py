"""Cost of verified draws whose candidates all cells share, stated before any draw.

See `equipoise.samplers.shared`. With r_k the rate at which cell k is wanted and a_k its acceptance,
a shared candidate costs a call and brings an image of cell k with probability
r_k E[a_k, cell k] / E[max r a]. Rates are set so that all cells fill together. Where the labels
were misled by chance, some fill early, and what the others still miss is drawn alone once that
costs less. So rates stay those that the labels give, and each resample of the labels is a truth
that they may meet (the Bayesian bootstrap, Rubin 1981). Draws know the share of the prior that a
cell accepts better than the labels do, so what is stated is a little dear where labels are few.
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
    stages: tuple[NDArray[np.float64], float],
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
    stages : tuple of numpy.ndarray, shape (K,), and float
        Cost of the stages of all candidates per draw of each cell alone, and per shared one.
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
    alone = (1 + stages[0][wanted]) * (rows @ taken) / own
    made = rows @ (taken * rates).max(axis=1)
    costs = np.array(
        [
            cost_of_sharing(shares, rates * own_b / ((1 + stages[1]) * made_b), alone_b)
            for own_b, made_b, alone_b in zip(own[1:], made[1:], alone[1:], strict=True)
        ]
    )
    images_alone = shares @ ((rows[0] @ taken) / own[0])
    # An image of a cell is worth its effective share.
    worth = float(shares @ np.array([1 / cell.effective.value for cell in cells]))
    return SharedCalls(
        calls=_expected(costs),
        calls_per_effective=_expected(worth * costs),
        saved=float(1 - made[0] / images_alone),
    )


def _expected(costs: NDArray[np.float64]) -> Estimate:
    """Return the mean of resampled costs, and the interval that holds 95 % of them."""
    low, high = np.quantile(costs, (0.025, 0.975))
    return Estimate(float(costs.mean()), float(low), float(high))


def cost_of_sharing(
    shares: NDArray[np.float64], brought: NDArray[np.float64], alone: NDArray[np.float64]
) -> float:
    """Return calls per image of a target: shared candidates first, what then is missing alone.

    Candidates are shared as long as what they bring would cost more alone.

    Parameters
    ----------
    shares : numpy.ndarray, shape (K,), float64
        Of the target; they sum to 1.
    brought : numpy.ndarray, shape (K,), float64
        Images of each cell that a call for a shared candidate brings, above 0.
    alone : numpy.ndarray, shape (K,), float64
        Calls per image of each cell drawn alone.

    Examples
    --------
    >>> half = np.array([0.5, 0.5])
    >>> cost_of_sharing(half, np.array([0.4, 0.4]), np.array([2.0, 2.0]))
    1.25
    >>> cost_of_sharing(half, np.array([0.4, 0.2]), np.array([2.0, 2.0]))  # 0.25 missing at the end
    1.75
    """
    full = shares / brought
    worth, spent = brought * alone, 0.0
    left = float(worth.sum())
    for k in np.argsort(full, kind="stable"):
        if left <= 1:
            break
        spent = float(full[k])
        left -= float(worth[k])
    return spent + float(np.maximum(shares - spent * brought, 0.0) @ alone)

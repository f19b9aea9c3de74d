"""Rules of acceptance for the wanted faithfulness, chosen on held-out labelled codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.core.targets import Target
from equipoise.methods.calibration import REACHED
from equipoise.methods.tilt.held_out import HeldOut, faithfulness
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.statements import CellStatement
from equipoise.stats.simplex import solve_weights

FAITHFUL = 0.9
"""Faithfulness of verified draws when no number is set."""

EXACT, TYPICAL = "exact", "typical"
"""Names of the modes of verified draws that are no number."""

RECALLS = (0.99, 0.97, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Shares of a cell's members that the thresholds of the frontier accept."""

ONE_SHOT_RECALLS = (0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of a cell's members that one-shot draws may accept."""

_PURITIES = np.arange(0.1, 0.96, 0.05)
"""Purities of requests of one-shot draws that are tried."""

_SLACK = 0.005
"""Part of the total variation that is kept for what half-space and prefilter refuse."""

_EXACT_FULL = 0.9
"""Quantile of h over members from which on `exact` accepts in full; the optimum has none."""

_FLOOR = 0.05
"""Share that the least acceptance adds to the calls of `exact`."""

_TYPICAL_POWER, _TYPICAL_FULL = 4.0, 0.7
"""Power, and quantile of h over members from which on `typical` accepts in full."""

_DIRECTED_POWER, _DIRECTED_FULL = 0.5, 0.9
"""Power, and quantile of h over likely members, of draws that are labelled."""

_STARVING_POWER = 2.0
"""Power of draws that are labelled for a cell that has almost no label."""

STARVING = 20.0
"""Effective labelled members of a cell below which it starves of labels."""


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """What thresholds that accept some share of members bring, estimated before any draw.

    Attributes
    ----------
    recall : float
        Share of the labelled members of each cell that are accepted.
    cells : tuple of CellStatement
        What verified draws would be, cell by cell; stages of refused candidates are not counted.
    """

    recall: float
    cells: tuple[CellStatement, ...]


@dataclass(frozen=True, kw_only=True)
class OneShotStatement:
    """What one-shot draws of a cell are, estimated before any draw.

    Attributes
    ----------
    cell : str
    recall : float
        Share of the labelled members of the cell that its requests accept.
    faithfulness : float
        1 less the total variation between the images that come out as this cell, whatever was
        requested, and the generator's own images of the cell; NaN where labels are too few.
    """

    cell: str
    recall: float
    faithfulness: float


def threshold_rule(held: HeldOut, wanted: NDArray[np.bool_], faithful: float) -> AcceptanceRule:
    """Return thresholds that accept a share of members: the total variation is what is left."""
    full = np.where(wanted, held.quantiles(1 - faithful - _SLACK), np.inf)
    return AcceptanceRule.thresholds(full)


def exact_rule(
    held: HeldOut, log_h: NDArray[np.float32], wanted: NDArray[np.bool_]
) -> AcceptanceRule:
    """Return the square root with its floor, the cheapest rule for draws that carry weights.

    Parameters
    ----------
    held : HeldOut
    log_h : numpy.ndarray, shape (n, K), float32
        Of fresh codes of the prior.
    wanted : numpy.ndarray, shape (K,), bool
    """
    cells = held.grid.size
    full = np.where(wanted, held.quantiles(_EXACT_FULL), np.inf)
    rule = AcceptanceRule(full, np.full(cells, 0.5), np.zeros(cells))
    rates = np.exp(rule.log_acceptance(log_h)).mean(axis=0)
    return replace(rule, floor=np.where(wanted, _FLOOR * rates, 0.0))


def typical_rule(held: HeldOut, wanted: NDArray[np.bool_]) -> AcceptanceRule:
    """Return a rule that favours the clear members of each cell."""
    cells = held.grid.size
    full = np.where(wanted, held.quantiles(_TYPICAL_FULL), np.inf)
    return AcceptanceRule(full, np.full(cells, _TYPICAL_POWER), np.zeros(cells))


def directed_rule(
    held: HeldOut, log_h: NDArray[np.float32], wanted: NDArray[np.bool_]
) -> AcceptanceRule:
    """Return the rule of draws that are labelled.

    Labels are worth most where h(1 - h) is large and members lie: the power 1/2, and a greater one
    for a cell with almost no label, whose h is a poor guess.

    Parameters
    ----------
    held : HeldOut
    log_h : numpy.ndarray, shape (n, K), float32
        Of fresh codes of the prior.
    wanted : numpy.ndarray, shape (K,), bool
    """
    h = np.exp(log_h.astype(np.float64))
    full = [
        np.quantile(column, _DIRECTED_FULL, weights=column, method="inverted_cdf") for column in h.T
    ]
    return AcceptanceRule(
        np.where(wanted, full, np.inf),
        np.where(held.members < STARVING, _STARVING_POWER, _DIRECTED_POWER),
        np.zeros(len(wanted)),
    )


def one_shot_rule(
    held: HeldOut, target: Target, most: float
) -> tuple[AcceptanceRule, NDArray[np.float64]]:
    """Return thresholds of one-shot draws, with the recall of each cell.

    Higher thresholds make requests purer, and favour clear members. For each of several purities,
    cells accept as many of their members as the purity allows, at most the share `most`. Of those
    with which requests can be mixed to meet the target, the one is taken whose least faithful cell
    is the most faithful; where there is none, the one that comes nearest to the target.
    """
    wanted = target.shares > 0
    recalls = np.array([recall for recall in ONE_SHOT_RECALLS if recall <= most] or [most])
    thresholds = np.stack([held.quantiles(1 - recall) for recall in recalls])
    h = np.exp(held.log_h)
    purities = np.stack([np.diagonal(held.confusion((h >= at) * 1.0)) for at in thresholds])
    found: list[tuple[float, float, NDArray[np.int64]]] = []
    for purity in _PURITIES:
        pure = purities >= purity
        row = np.where(pure.any(axis=0), pure.argmax(axis=0), purities.argmax(axis=0))
        accepted = (h >= thresholds[row, np.arange(held.grid.size)]) * wanted.astype(np.float64)
        confusion = held.confusion(accepted)[wanted, :-1]
        confusion /= confusion.sum(axis=1, keepdims=True).clip(1e-300)
        weights = np.zeros(held.grid.size)
        weights[wanted] = solve_weights(confusion, target.shares)
        miss = float(np.abs(weights[wanted] @ confusion - target.shares).sum() / 2)
        rates = (held.weights @ accepted) / len(h)
        density = (accepted / rates.clip(1e-300)) @ weights
        least = faithfulness(held.own_weights.T[wanted], density).min()
        found.append((max(miss, REACHED / 2), -float(least), row))
    _, _, chosen = min(found, key=lambda one: one[:2])
    full = np.where(wanted, thresholds[chosen, np.arange(held.grid.size)], np.inf)
    return AcceptanceRule.thresholds(full), recalls[chosen]


def one_shot_statements(
    held: HeldOut,
    densities: NDArray[np.float64],
    weights: NDArray[np.float64],
    recalls: NDArray[np.float64],
    wanted: NDArray[np.bool_],
) -> tuple[OneShotStatement, ...]:
    """State what comes out of requests with these weights, whose densities are (n, K)."""
    faithful = faithfulness(held.own_weights.T[wanted], densities @ weights)
    return tuple(
        OneShotStatement(cell=held.grid.cells[k], recall=float(recalls[k]), faithfulness=value)
        for k, value in zip(np.flatnonzero(wanted).tolist(), faithful.tolist(), strict=True)
    )


def frontier(held: HeldOut, wanted: NDArray[np.bool_]) -> tuple[FrontierPoint, ...]:
    """Return what thresholds of each recall would bring."""
    points = []
    for recall in RECALLS:
        thresholds = np.where(wanted, held.quantiles(1 - recall), np.inf)
        accepted = np.exp(AcceptanceRule.thresholds(thresholds).log_acceptance(held.log_h))
        cells = held.statements(
            accepted,
            accepted,
            weighted=False,
            stage_calls=np.zeros(held.grid.size),
            wanted=wanted,
        )
        points.append(FrontierPoint(recall=recall, cells=cells))
    return tuple(points)

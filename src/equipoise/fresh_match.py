"""Matching of a tilt's draws by fresh codes of the prior (docs/decisions/0015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.ceilings import LEAST_OWN
from equipoise.fresh import Fresh
from equipoise.known import Known
from equipoise.matching import Matched, match


def match_by_fresh(
    known: Known, fresh: Fresh, means: NDArray[np.float64], beta: float, verified: bool
) -> Matched:
    """Match the means of one-shot draws, or of those that come out as requested.

    `means` are those of `cell_means`, shape (K, D).

    Each request is known by the fresh codes, or by the labelled ones where these accept more: a
    rare cell's labels are directed, and of the prior hardly a code is its own.
    """
    wanted, shares = known.wanted, known.target.shares[known.wanted]
    one_shot = known.accepted(known.log_h, beta) * known.weights[:, None]
    labelled, free = one_shot, known.accepted(fresh.log_h, beta)
    if verified:
        labelled = labelled * known.one_hot[:, wanted]
        free = free * np.exp(fresh.log_h[:, wanted].astype(np.float64))
    by_fresh = _effective(free) >= _effective(labelled)
    accepted = np.vstack([np.where(by_fresh, 0.0, labelled), np.where(by_fresh, free, 0.0)])
    places = np.vstack([known.places, fresh.places])
    own = known.one_hot[:, wanted] * known.weights[:, None]
    # A cell with hardly a label is left where its requests lie.
    as_it_is = (accepted / accepted.sum(axis=0)).T @ places
    by_labels = (own / own.sum(axis=0).clip(1e-300)).T @ known.places
    found = by_fresh & np.isfinite(means[wanted]).all(axis=1)
    goals = np.where(found[:, None], means[wanted], by_labels)
    goals = np.where(_effective(own)[:, None] >= LEAST_OWN, goals, as_it_is)
    goal = shares @ goals
    if verified:
        return match(places, accepted, lambda slope, full: shares, goal)
    return known.within_reach(one_shot, match(places, accepted, known.mixing(one_shot), goal))


def _effective(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective number of codes in each column (Kish 1965)."""
    return np.asarray(masses.sum(axis=0) ** 2 / np.square(masses).sum(axis=0).clip(1e-300))

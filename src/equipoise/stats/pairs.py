"""Rates over pairs of faces, where each face or each person stands in many pairs.

Pairs that share a face are not independent: a face that resembles many others makes many matches. A
binomial interval over pairs is therefore far too short. So it is over pairs of one person.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.stats.intervals import effective_interval
from equipoise.stats.shares import Share, effective_number

_LEAST_MATCHES = 5
"""Matches below which the sample says too little of how pairs depend on one another."""

_LEAST_PEOPLE = 5
"""People with an event, and without one, below which a person's pairs are taken for one."""

_MOST_PAIRS = 10
"""Independent pairs that one person counts for at most. The variance over people is noisy where
they differ in their pairs: without a bound intervals covered in 89 % of some simulations, with it
in 92 % or more (`tests/audit/verification/test_genuine.py`)."""

_MORE = 3
"""Matches more than there are that are allowed for, where there are few: no match among n pairs
leaves a rate of up to 3 / n possible."""


def pair_rate(
    name: str,
    matches: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
    other_weights: NDArray[np.float64] | None = None,
    *,
    stands_for: NDArray[np.floating] | None = None,
    dependence: float | None = None,
) -> Share:
    """Return the share of pairs that match, with an interval that allows for shared faces.

    The share is a U-statistic of order two (Hoeffding 1948), within one group or between two. Its
    variance is that of the sum of what each face contributes, less what pairs contribute alone,
    which that sum counts twice. The interval is that of as many independent pairs as have this
    variance (Korn and Graubard 1998): at least as many as share no face, at most all. Fewer than
    five matches do not show how pairs depend on one another: then `dependence` says it.

    Parameters
    ----------
    name : str
    matches : numpy.ndarray, shape (n, n) or (n, m), bool
        Of each pair of faces of one group, symmetric, whose diagonal does not count; or of each
        face of one group with each of another, if `other_weights` are given.
    weights : numpy.ndarray, shape (n,), float64, optional
        Above 0, of the faces; equal by default.
    other_weights : numpy.ndarray, shape (m,), float64, optional
        Of the second group.
    stands_for : numpy.ndarray, as `matches`, optional
        How many pairs each pair stands for, 0 for those that were not compared; all by default.
        Pairs are taken for a random sample of those that they stand for.
    dependence : float, optional
        As from `dependence_of` a larger sample; without it only pairs that share no face count.

    Returns
    -------
    Share
        Its `effective` is the number of independent pairs.

    Examples
    --------
    >>> share = pair_rate("all", np.ones((3, 3), bool))
    >>> share.count, share.n
    (3, 3)
    """
    w = np.ones(len(matches)) if weights is None else weights
    within = other_weights is None
    v = w if other_weights is None else other_weights
    mass = np.outer(w, v) if stands_for is None else np.outer(w, v) * stands_for
    hits = matches.astype(np.float64)
    if within:
        np.fill_diagonal(mass, 0.0)
    half = 2 if within else 1
    pairs = (mass > 0).sum() // half
    count = int((matches & (mass > 0)).sum()) // half
    if not pairs:
        return Share.of(name, 0, 0)
    rate = float((mass * hits).sum() / mass.sum())
    apart = min(len(w) // 2, len(v)) if within else min(len(w), len(v))
    worth = float(max(min(apart, pairs), 1))
    if count < _LEAST_MATCHES and dependence is not None:
        sizes = [effective_number(w)] if within else [effective_number(w), effective_number(v)]
        compared = None if stands_for is None else effective_number(mass[mass > 0]) / half
        worth = max(worth, _independent(sizes, (count + _MORE) / pairs, dependence, compared))
    elif _LEAST_MATCHES <= count < pairs:
        parts = mass * (hits - rate)
        own = np.square(parts).sum() / half
        faces = np.square(parts.sum(axis=1)).sum()
        if not within:
            faces += np.square(parts.sum(axis=0)).sum()
        variance = max(float(faces - own), float(own)) / (mass.sum() / half) ** 2
        worth = float(np.clip(rate * (1 - rate) / variance, worth, pairs))
    estimate = Estimate(rate, *effective_interval(rate, worth))
    return replace(Share.of(name, count, int(pairs)), estimate=estimate, effective=worth)


def clustered_rate(name: str, events: NDArray[np.int64], pairs: NDArray[np.int64]) -> Share:
    """Return the share of pairs with an event, with an interval that allows for people.

    The share is a ratio of two sums over people. Its variance is that of the people's parts, by
    linearisation (Sarndal, Swensson and Wretman 1992, section 5.6); the interval is that of as many
    independent pairs as have this variance, with Student's correction for the effective number of
    people (Korn and Graubard 1998): as many as would have equal numbers of pairs (Kish 1965). Where
    that is below five, or fewer than five people have an event or a pair without one, all pairs of
    a person count as one.

    Parameters
    ----------
    name : str
    events, pairs : numpy.ndarray, shape (people,), int64
        Of each person; people without a pair are left out.

    Returns
    -------
    Share
        Its `effective` is the number of independent pairs.

    Examples
    --------
    >>> share = clustered_rate("all", np.array([1, 0]), np.array([3, 1]))
    >>> share.count, share.n, share.effective
    (1, 4, 1.6)
    """
    events, pairs = events[pairs > 0], pairs[pairs > 0]
    share, people = Share.of(name, int(events.sum()), int(pairs.sum())), len(pairs)
    if people < 2:
        known = share.estimate if not people else Estimate(share.share, 0.0, 1.0)
        return replace(share, estimate=known, effective=float(people))
    alike = effective_number(pairs.astype(np.float64))
    worth = alike
    if min(alike, (events > 0).sum(), (events < pairs).sum()) >= _LEAST_PEOPLE:
        parts = np.square(events - share.share * pairs).sum() / share.n**2
        variance = parts * alike / (alike - 1)
        binomial = share.share * (1 - share.share)
        worth = min(float(share.n), _MOST_PAIRS * alike)
        if variance * worth > binomial:
            worth = binomial / variance
        tail = (1 - CONFIDENCE) / 2
        worth *= float(norm.isf(tail) / t.isf(tail, alike - 1)) ** 2
    estimate = Estimate(share.share, *effective_interval(share.share, worth))
    return replace(share, estimate=estimate, effective=worth)


def effective_pairs(weights: NDArray[np.float64], stands_for: NDArray[np.floating]) -> float:
    """Return the effective number of compared pairs of one group (Kish 1965).

    Parameters
    ----------
    weights : numpy.ndarray, shape (n,), float64
        Of the faces.
    stands_for : numpy.ndarray, shape (n, n)
        As for `pair_rate`, 0 on the diagonal.
    """
    mass = np.outer(weights, weights) * stands_for
    return effective_number(mass[mass > 0]) / 2


def dependence_of(share: Share, faces: int, compared: float | None = None) -> float:
    """Return how unequally faces match: the squared coefficient of variation of their rates.

    The rate of a face is that of its pairs. A rate p of n faces has about as many independent pairs
    as m with 1 / m = 1 / pairs + 4 p c / (n (1 - p)), where c is this number (Hoeffding 1948).

    Parameters
    ----------
    share : Share
        As from `pair_rate` of one group.
    faces : int
        n.
    compared : float, optional
        Effective number of the pairs, where some were compared and stand for all.
    """
    rate = share.share
    if not 0 < rate < 1:
        return 0.0
    more = 1 / share.effective - 1 / (share.n if compared is None else compared)
    return max(more * faces * (1 - rate) / (4 * rate), 0.0)


def _independent(
    sizes: list[float], rate: float, dependence: float, compared: float | None
) -> float:
    """Return the number of independent pairs within a group of a size, or between two.

    By default all pairs were compared.
    """
    by_faces = rate * dependence / (1 - min(rate, 0.5))
    if len(sizes) == 1:
        (n,) = sizes
        return 1 / (1 / (compared or n * max(n - 1, 1) / 2) + 4 * by_faces / n)
    n, m = sizes
    return 1 / (1 / (compared or n * m) + by_faces * (1 / n + 1 / m))

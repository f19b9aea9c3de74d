"""Faces of the toy with descriptors: a pair of cells with an excess of false matches, or none.

Descriptors are made of the coordinates of a code that no attribute follows. Clear faces lie nearer
to the mean face, so that they match more, and are drawn more often: plain rates are wrong. Part of
the faces of two cells belong to the same few families of faces that are alike. That makes an excess
of false matches between the two cells, and as large a one within each: where the faces of two cells
resemble one another, those of one cell do too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.accepted_faces import BY, TOY, Codes, Floats, accepted, cells_of, clearness
from equipoise.audit.verification.rates import (
    Faces,
    false_matches_between,
    false_matches_within,
    overall,
    threshold_of,
)
from equipoise.audit.verification.tables import BETWEEN, match_tables
from equipoise.stats.intervals import exact_interval
from equipoise.stats.pairs import dependence_of
from equipoise.stats.shares import Share

ALIKE = (1, 4)
"""The two cells of the planted pair; they differ in both attributes."""

PLANTED = f"{BY.cells[ALIKE[0]]} with {BY.cells[ALIKE[1]]}"
FAMILIES, MEMBERS, RATE = 15, 0.4, 0.005
PER_CELL, TRUTH = 200, 3_000


def descriptors(codes: Codes, cells: NDArray[np.int64], planted: bool) -> NDArray[np.float32]:
    """Return vectors of length 1, shape (n, 12)."""
    own = TOY.stem(codes)[:, len(TOY.grid.names) :].astype(np.float64)
    vectors = np.zeros((len(own), 12))
    vectors[:, :9] = own[:, :9]
    vectors[:, 0] += 1.5 + 0.5 * clearness(codes)
    if planted:
        member = np.isin(cells, ALIKE) & (ndtr(own[:, 10]) < MEMBERS)
        family = (FAMILIES * ndtr(own[:, 11])).astype(np.int64)
        centres = np.random.default_rng(0).normal(size=(FAMILIES, 12))
        vectors[member] = 4 * centres[family[member]] + 0.5 * vectors[member]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def faces_of(codes: Codes, weights: Floats, planted: bool) -> Faces:
    """Return the faces of codes, in the cells of the first two attributes."""
    cells = cells_of(codes)
    return Faces.of_vectors(BY.cells, cells, descriptors(codes, cells, planted), weights)


@cache
def truth(planted: bool) -> tuple[float, dict[str, float]]:
    """Return the threshold, and the true rates within and between cells at it."""
    codes = TOY.prior.codes(10**6, 0, 40 * TRUTH)
    cells, weights = cells_of(codes), np.ones(BY.size * TRUTH)
    codes = codes[np.concatenate([np.flatnonzero(cells == k)[:TRUTH] for k in range(BY.size)])]
    some = np.arange(len(codes)) % 4 == 0
    limit = threshold_of(faces_of(codes[some], weights[some], False), RATE)
    faces = faces_of(codes, weights, planted)
    shares = (*false_matches_within(faces, limit, 0.0), *false_matches_between(faces, limit, 0.0))
    return limit, {share.name: share.share for share in shares}


def of_pairs(seed: int) -> dict[str, list[bool]]:
    """Return what one seed shows: which intervals cover, and what is found."""
    codes, weights = accepted(seed, PER_CELL)
    found: dict[str, list[bool]] = {}
    for planted in (True, False):
        limit, known = truth(planted)
        faces = faces_of(codes, weights, planted)
        dependence = dependence_of(overall(faces, limit), len(weights))
        levels = TOY.levels(codes)[:, :2]
        tables, _ = match_tables(faces, BY, levels, limit, dependence, seed=seed)
        shown = {t.where: t.gap for t in tables if t.gap is not None and t.gap.p_value < 0.05}
        if not planted:
            found["anything found where nothing is planted"] = [bool(shown)]
            continue
        rates = {rate.name: rate for table in (tables[0], tables[-1]) for rate in table.rates}
        between, within = shown.get(BETWEEN), shown.get("cells")
        pair = between is not None and between.gap.highest == PLANTED
        alike = within is None or within.gap.highest in [BY.cells[k] for k in ALIKE]
        found |= {
            "interval of a rate covers": [covers(rates[name], known[name]) for name in rates],
            "interval of the planted pair covers": [covers(rates[PLANTED], known[PLANTED])],
            "binomial interval of a rate covers": [
                naive_covers(rates[name], known[name]) for name in rates
            ],
            "binomial interval of the planted pair covers": [
                naive_covers(rates[PLANTED], known[PLANTED])
            ],
            "excess of one pair found and named": [pair],
            "another pair or cell named": [not alike or (between is not None and not pair)],
        }
    return found


def covers(rate: Share, known: float) -> bool:
    """Return whether the interval of a rate covers the true one."""
    return rate.low <= known <= rate.high


def naive_covers(rate: Share, known: float) -> bool:
    """Return whether an interval that takes pairs for independent covers the true rate."""
    low, high = exact_interval(rate.count, rate.n)
    return low <= known <= high

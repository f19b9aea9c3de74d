"""Scores of a method's images against balanced references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from equipoise.compare.case import Case, Outcome
from equipoise.compare.stored import Refused
from equipoise.core.estimates import Estimate
from equipoise.measure.references import Pictures
from equipoise.measure.representation import divergence, noise_floor
from equipoise.stats.distances import frechet_distance, moments
from equipoise.stats.precision_recall import coverage
from equipoise.stats.two_sample import distinguished


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of one method.

    Attributes
    ----------
    n : int
        Images.
    kl, kl_floor : float
        KL(shares || uniform) in nats, and its mean for exact sampling.
    shares : tuple of float
        Shares of the cells, as predicted by the classifiers.
    purity : tuple of float, or None
        For each cell the share of its requests that were achieved; None where none is requested.
    frechet, frechet_floor : dict of str to float
        Squared Frechet distance to a balanced reference, and between two references, by the name of
        features; means over the references, and over their pairs. Both depend on the number of
        images, so only as many images are compared as a reference has.
    faithfulness : tuple of float, or None
        For each cell 1 less the total variation between its (weighted) images and the generator's
        own images of the cell, where it is known from the density of the codes.
    distinguished : tuple of Estimate
        For each cell a lower bound of the total variation between its images and those of the
        references, for all methods alike: see `equipoise.stats.two_sample.distinguished`.
    coverage : tuple of float
        For each cell the nearest-neighbour coverage of the first reference in the first features,
        by the same images; in [0, 1], higher is better.
    calls, calls_verified : float
        Generator calls per delivered image, and per image whose achieved cell is the requested one.
    fit_seconds, draw_seconds : float
        Seconds to fit, and seconds per 1,000 draws.
    note : str
    """

    n: int
    kl: float
    kl_floor: float
    shares: tuple[float, ...]
    purity: tuple[float, ...] | None
    frechet: dict[str, float]
    frechet_floor: dict[str, float]
    faithfulness: tuple[float, ...] | None
    distinguished: tuple[Estimate, ...]
    coverage: tuple[float, ...]
    calls: float
    calls_verified: float
    fit_seconds: float
    draw_seconds: float
    note: str


Result = Score | Refused
"""What is stored of a method."""


def score(case: Case, outcome: Outcome, references: Sequence[Pictures]) -> Score:
    """Measure the codes of a method against balanced references.

    Parameters
    ----------
    case : Case
    outcome : Outcome
    references : sequence of Pictures
        The last one is the outcome of rejection, so it is used for the floor only.
    """
    pool, workers = case.pool, case.context.settings.workers
    drawn = pool.picture(case.context.models.panel, outcome.codes, workers)
    cells, size = drawn.labels.cells, case.grid.size
    known = np.bincount(cells[cells >= 0], minlength=size)
    shares = known / known.sum()
    compared = spread(len(cells), len(references[0].labels))
    found = pool.features.split(drawn.features[compared])
    wanted = [pool.features.split(reference.features) for reference in references]
    weights = np.ones(len(cells)) if outcome.weights is None else outcome.weights
    frechet, floor = {}, {}
    for name, rows in found.items():
        own = moments(rows, weights[compared])
        others = [moments(reference[name]) for reference in wanted]
        frechet[name] = float(np.mean([frechet_distance(own, one) for one in others[:-1]]))
        floor[name] = float(np.mean([frechet_distance(*pair) for pair in combinations(others, 2)]))
    first, reference_cells = next(iter(found)), references[0].labels.cells
    covered = [
        coverage(found[first][cells[compared] == k], wanted[0][first][reference_cells == k])
        for k in range(size)
    ]
    own_features = np.concatenate([reference.features for reference in references[:-1]])
    own_cells = np.concatenate([reference.labels.cells for reference in references[:-1]])
    apart = [
        distinguished(
            drawn.features[cells == k],
            own_features[own_cells == k],
            weights[cells == k],
            seed=case.seed,
        )
        for k in range(size)
    ]
    purity: tuple[float, ...] | None = None
    verified = outcome.calls
    if outcome.requested is not None:
        hits = outcome.requested == cells
        purity = tuple(
            float(hits[outcome.requested == k].mean()) if (outcome.requested == k).any() else np.nan
            for k in range(size)
        )
        if outcome.calls == 1:
            verified = float(np.mean([1 / p if p else np.inf for p in purity]))
    return Score(
        n=len(cells),
        kl=divergence(shares, case.target.shares),
        kl_floor=noise_floor(case.target.shares, int(known.sum())),
        shares=tuple(shares.tolist()),
        purity=purity,
        frechet=frechet,
        frechet_floor=floor,
        faithfulness=outcome.faithfulness,
        distinguished=tuple(apart),
        coverage=tuple(covered),
        calls=outcome.calls,
        calls_verified=verified,
        fit_seconds=outcome.fit,
        draw_seconds=outcome.draw,
        note=outcome.note,
    )


def spread(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of n row numbers, evenly spaced, shape (min(n, most),), int64."""
    count = min(n, most)
    return np.arange(count) * n // max(count, 1)

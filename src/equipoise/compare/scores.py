"""What a method's images are worth, against balanced references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from equipoise.compare.baselines import Case, Outcome
from equipoise.compare.reference import picture
from equipoise.distances import frechet_distance, moments
from equipoise.measure.pictures import Pictures
from equipoise.measure.representation import divergence, noise_floor
from equipoise.neighbours import coverage


@dataclass(frozen=True)
class Score:
    """How one method did.

    Attributes
    ----------
    n : int
        Images.
    kl, kl_floor : float
        KL(shares || uniform) in nats, and what exact sampling shows on average.
    shares : tuple of float
        Of the cells, in the eye of the classifiers.
    purity : tuple of float, or None
        Share of requests that came out, a cell; None where nothing is requested.
    frechet, frechet_floor : float
        Squared Frechet distance to a balanced reference, and that between two references; means
        over the references, and over their pairs.
    coverage : tuple of float
        Nearest-neighbour coverage of the first reference, a cell; in [0, 1], higher is better.
    calls, calls_verified : float
        Generator calls per delivered image, and per image that came out as requested.
    fit_seconds, draw_seconds : float
        To fit, and per 1,000 draws.
    note : str
    """

    n: int
    kl: float
    kl_floor: float
    shares: tuple[float, ...]
    purity: tuple[float, ...] | None
    frechet: float
    frechet_floor: float
    coverage: tuple[float, ...]
    calls: float
    calls_verified: float
    fit_seconds: float
    draw_seconds: float
    note: str


def score(case: Case, outcome: Outcome, references: Sequence[Pictures]) -> Score:
    """Measure what a method delivered against balanced references.

    The last reference is what rejection delivers, so it serves for the floor alone.
    """
    drawn = picture(case.generator, case.ground.panel, outcome.codes, case.ground.settings.workers)
    cells, size = drawn.labels.cells, case.groups.size
    known = np.bincount(cells[cells >= 0], minlength=size)
    shares = known / known.sum()
    found, gold = moments(drawn.features), references[0]
    wanted = [moments(reference.features) for reference in references]
    covered = [
        coverage(drawn.features[cells == k], gold.features[gold.labels.cells == k])
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
        len(cells),
        divergence(shares, case.target.shares),
        noise_floor(case.target.shares, int(known.sum())),
        tuple(shares.tolist()),
        purity,
        float(np.mean([frechet_distance(found, one) for one in wanted[:-1]])),
        float(np.mean([frechet_distance(*pair) for pair in combinations(wanted, 2)])),
        tuple(covered),
        outcome.calls,
        verified,
        outcome.fit,
        outcome.draw,
        outcome.note,
    )

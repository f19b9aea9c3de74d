"""Scores of a method's images against balanced references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.compare.case import Case, Outcome
from equipoise.compare.excess import excess_of_variance
from equipoise.compare.reference import Pool
from equipoise.compare.stored import Refused
from equipoise.core.estimates import Estimate
from equipoise.measure.references import Pictures
from equipoise.measure.representation import divergence, noise_floor
from equipoise.stats.precision_recall import coverage
from equipoise.stats.shares import effective_number
from equipoise.stats.two_sample import distinguished


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of one method.

    Attributes
    ----------
    n : int
        Images.
    kl, kl_floor : float
        KL(shares || target) in nats, and its mean for exact sampling.
    shares : tuple of float
        Shares of the cells, as predicted by the classifiers.
    purity : tuple of float, or None
        For each cell the share of its requests that were achieved; None where none is requested.
    excess : dict of str to tuple of float
        By the name of features, for each cell the excess of the squared Frechet distance to the
        generator's own images over that of as many of its own, as a share of the cell's variance;
        NaN for too few images. See `equipoise.compare.excess`.
    faithfulness : tuple of float, or None
        For each cell 1 less the total variation between its (weighted) images and the generator's
        own images of the cell, where it is known from the density of the codes.
    distinguished : tuple of Estimate
        For each cell a lower bound of the total variation between its images and those of the
        references, for all methods alike: see `equipoise.stats.two_sample.distinguished`.
    effective : tuple of float
        For each cell the effective number of its images by their weights, repeated images as one,
        as a share of their number.
    coverage : tuple of float
        For each cell the nearest-neighbour coverage of the first reference in the first features,
        by the same images; in [0, 1], higher is better.
    calls, calls_verified : float
        Calls of generator and classifiers per delivered image, and per image whose achieved cell is
        the requested one, with the stages that were read, at measured cost.
    labels : int
        Classified images that were needed before the first draw.
    fit_seconds, draw_seconds : float
        Seconds to fit, and seconds per 1,000 draws.
    note : str
    """

    n: int
    kl: float
    kl_floor: float
    shares: tuple[float, ...]
    purity: tuple[float, ...] | None
    excess: dict[str, tuple[float, ...]]
    faithfulness: tuple[float, ...] | None
    distinguished: tuple[Estimate, ...]
    effective: tuple[float, ...]
    coverage: tuple[float, ...]
    calls: float
    calls_verified: float
    labels: int
    fit_seconds: float
    draw_seconds: float
    note: str


Result = Score | Refused
"""What is stored of a method."""


def score(case: Case, outcome: Outcome, references: Sequence[Pictures]) -> Score:
    """Measure the codes of a method against references of the target's mix.

    Parameters
    ----------
    case : Case
    outcome : Outcome
    references : sequence of Pictures
        The last one is the outcome of rejection, so nothing is compared with it.
    """
    pool, workers = case.pool, case.context.settings.workers
    drawn = pool.picture(case.context.models.panel, outcome.codes, workers)
    cells, size = drawn.labels.cells, case.grid.size
    known = np.bincount(cells[cells >= 0], minlength=size)
    shares = known / known.sum()
    compared = spread(len(cells), len(references[0].labels))
    weights = np.ones(len(cells)) if outcome.weights is None else outcome.weights
    drawn_of = [cells == k for k in range(size)]
    found, wanted = pool.features.split(drawn.features), _by_cell(pool, references, size)
    excess = {
        name: tuple(
            excess_of_variance(rows[of], weights[of], own)
            for of, own in zip(drawn_of, wanted[name], strict=True)
        )
        for name, rows in found.items()
    }
    first, few = next(iter(found)), np.isin(np.arange(len(cells)), compared)
    covered = [
        coverage(found[first][of & few], own[0])
        for of, own in zip(drawn_of, wanted[first], strict=True)
    ]
    own_features = np.concatenate([reference.features for reference in references[:-1]])
    own_cells = np.concatenate([reference.labels.cells for reference in references[:-1]])
    apart = [
        distinguished(drawn.features[of], own_features[own_cells == k], weights[of], seed=case.seed)
        for k, of in enumerate(drawn_of)
    ]
    purity: tuple[float, ...] | None = None
    verified = outcome.calls
    if outcome.requested is not None:
        hits = outcome.requested == cells
        purity = tuple(
            float(hits[outcome.requested == k].mean()) if (outcome.requested == k).any() else np.nan
            for k in range(size)
        )
        verified *= float(case.target.shares @ [1 / p if p else np.inf for p in purity])
    return Score(
        n=len(cells),
        kl=divergence(shares, case.target.shares),
        kl_floor=noise_floor(case.target.shares, int(known.sum())),
        shares=tuple(shares.tolist()),
        purity=purity,
        excess=excess,
        faithfulness=outcome.faithfulness,
        distinguished=tuple(apart),
        effective=tuple(_effective(outcome.codes[of], weights[of]) for of in drawn_of),
        coverage=tuple(covered),
        calls=outcome.calls,
        calls_verified=verified,
        labels=outcome.labels,
        fit_seconds=outcome.fit,
        draw_seconds=outcome.draw,
        note=outcome.note,
    )


def _by_cell(
    pool: Pool, references: Sequence[Pictures], size: int
) -> dict[str, list[list[NDArray[np.float32]]]]:
    """Return the features of each cell in each reference, by the name of features."""
    split = [pool.features.split(reference.features) for reference in references]
    return {
        name: [
            [rows[name][one.labels.cells == k] for rows, one in zip(split, references, strict=True)]
            for k in range(size)
        ]
        for name in split[0]
    }


def _effective(codes: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    """Return the effective share of some images, repeated ones as one; NaN for none."""
    if not len(codes):
        return np.nan
    same = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    return effective_number(np.asarray(np.bincount(same, weights), np.float64)) / len(codes)


def spread(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of n row numbers, evenly spaced, shape (min(n, most),), int64."""
    count = min(n, most)
    return np.arange(count) * n // max(count, 1)

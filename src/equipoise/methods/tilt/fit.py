"""Fitting of the tilt: its sharpness, and its matching, half-spaces and screen.

What a sharpness would bring is estimated without a single new image: each labelled code stands for
the prior, and weighting it by what the tilt would accept gives the tilted draws.

MeanMatchingFactor of a tilt's draws by fresh codes of the prior (docs/decisions/0015).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import LabelledCodes
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.methods.tilt.evidence import (
    LEAST_OWN,
    MAX_EXTRA_MISS,
    NOTHING_AVOIDED,
    LabelledEvidence,
    PriorSample,
    acceptance_thresholds_of,
    difference_estimator_means,
    evaluate_prior_sample,
    gather_evidence,
)
from equipoise.methods.tilt.fit_latent import LatentFit
from equipoise.methods.tilt.proposals import search_proposals
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.samplers.mean_matching import (
    BalancingSolution,
    MeanMatchingFactor,
    entropy_balance,
    factors,
)
from equipoise.samplers.proposals import fit_prefilter
from equipoise.samplers.tilt import Tilt, TiltSource
from equipoise.stats.distances import frechet_distance, moments

BETAS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Sharpnesses that are tried when none is set."""

VERIFIED_BETA = 8.0
"""Sharpness of draws that are verified, when none is set."""

PROPOSAL_BETA = 4.0
"""Sharpness of the draws that are labelled in directed rounds."""

_SLACK = 1.25
_PILOT = 65_536
_PROPOSAL_PILOT = 16_384
_LEAST_PILOT = 4096
_PILOT_VALUES = 2**28
"""Values of a pilot's codes, at most, unless it would be smaller than the least: 1 GiB."""


@dataclass(frozen=True)
class FrontierPoint:
    """What one sharpness brings, estimated on held-out labelled codes before any draw.

    Attributes
    ----------
    beta : float
    purity : tuple of float
        Per cell; NaN where the target is 0.
    calls_per_verified_image : float
        Generator calls per verified image.
    distance : float
        Squared Frechet distance, on stem features, between calibrated tilted draws and the
        labelled codes weighted to the target; lower is closer.
    target_distance : float
        Total variation between the target and the nearest mix of one-shot draws.
    """

    beta: float
    purity: tuple[float, ...]
    calls_per_verified_image: float
    distance: float
    target_distance: float


@dataclass(frozen=True, eq=False)
class TiltFit:
    """A tilt, another for draws that are verified within it, and how the sharpness was chosen."""

    source: TiltSource
    frontier: tuple[FrontierPoint, ...]


# Many small products: a second thread of BLAS takes longer to call than it saves.
@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def fit_tilt(
    generator: Generator,
    fit: LatentFit,
    labelled: LabelledCodes,
    target: Target,
    *,
    beta: float | None = None,
    seed: int = 0,
) -> TiltFit:
    """Choose the sharpness, and prepare ceilings, matching and screens.

    Parameters
    ----------
    generator : Generator
    fit : LatentFit
        The latent classifier and its held-out word on the labelled codes.
    labelled : LabelledCodes
    target : Target
        Cells of target 0 cannot be requested.
    beta : float, optional
        Sharpness, above 0. By default, of `BETAS` that come as near to the target as any, the
        sharpest whose distance on the frontier is at most `_SLACK` times the least one;
        `VERIFIED_BETA` for draws that are verified.
    seed : int
        Of the fresh codes.

    Raises
    ------
    InputError
        When beta is not above 0.
    InsufficientLabelsError
        When no labelled code is of a wanted cell.
    """
    if beta is not None:
        if not (np.isfinite(beta) and beta > 0):
            raise InputError("beta", "must be above 0", beta, "Leave it out.")
        beta = float(beta)
    if not (labelled.shares() @ target.shares > 0):
        raise InsufficientLabelsError(
            "labels",
            "must have some of a cell that the target wants",
            f"none of {len(labelled):,}",
            "Raise --n, or ask for other cells.",
        )
    known = gather_evidence(generator, fit, labelled, target)
    tried = BETAS if beta is None or beta in BETAS else tuple(sorted((*BETAS, beta)))
    frontier = tuple(_trial(known, b) for b in tried)
    verified_beta = beta or VERIFIED_BETA
    if beta is None:
        nearest = min(point.target_distance for point in frontier)
        reaching = [
            point for point in frontier if point.target_distance <= nearest + MAX_EXTRA_MISS
        ]
        least = min(point.distance for point in reaching)
        beta = max(p.beta for p in reaching if p.distance <= _SLACK * least)
    pilot = _pilot_codes(generator, seed, _PILOT)
    fresh = evaluate_prior_sample(generator, fit.classifier, known.axes, pilot)
    means = difference_estimator_means(
        *(fresh, known.coordinates, known.one_hot, np.exp(known.log_h)),
        *(known.weights, known.folds),
    )
    sources = []
    for sharpness, verified in ((beta, False), (verified_beta, True)):
        matched = match_by_fresh(known, fresh, means, sharpness, verified)
        log_clip = np.zeros(target.grid.size)
        log_clip[known.wanted] = matched.log_clip
        matching = known.axes.factors(matched.coefficients, log_clip)
        tilt = Tilt(sharpness, known.acceptance_thresholds, known.avoidance_thresholds, matching)
        log_factors = np.log(factors(fresh.coordinates, matched.coefficients, log_clip))
        evaluated = tilt.log_acceptance(fresh.log_h, log_factors)
        sources.append(_prepare(generator, fit.classifier, tilt, fresh.codes, evaluated, seed))
    one_shot, for_verified = sources
    return TiltFit(replace(one_shot, for_verified=for_verified), frontier)


def _trial(known: LabelledEvidence, beta: float) -> FrontierPoint:
    """Estimate what one sharpness brings from the labelled codes alone."""
    target, coordinates, one_hot = known.target, known.coordinates, known.one_hot
    own = one_hot * known.weights[:, None]
    ideal = (own / own.sum(axis=0).clip(1e-300)) @ target.shares
    ideal /= ideal.sum()
    accepted = known.accepted(known.log_h, beta) * known.weights[:, None]
    matched = entropy_balance(coordinates, accepted, known.mixing(accepted), ideal @ coordinates)
    matched = known.within_reach(accepted, matched)
    drawn = known.drawn(accepted, matched.coefficients, matched.log_clip)
    confusion, weights, miss = known.mixed(drawn)
    purity = np.full(target.grid.size, np.nan)
    purity[known.wanted] = confusion[np.arange(len(known.wanted)), known.wanted]
    with np.errstate(divide="ignore"):
        calls = float((target.shares[known.wanted] / purity[known.wanted]).sum())
    distance = frechet_distance(moments(coordinates, drawn @ weights), moments(coordinates, ideal))
    return FrontierPoint(beta, tuple(purity.tolist()), calls, distance, miss)


def fit_proposal(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target, seed: int = 0
) -> TiltSource:
    """Prepare a tilt whose draws are to be labelled: plain, of sharpness `PROPOSAL_BETA`."""
    acceptance_thresholds = acceptance_thresholds_of(fit, labelled, target.shares > 0)
    matching = MeanMatchingFactor.none(fit.classifier.stem_shape[0], len(acceptance_thresholds))
    # Labels near unwanted cells are as useful as others, so nothing is avoided.
    avoidance_thresholds = np.full(len(acceptance_thresholds), NOTHING_AVOIDED)
    tilt = Tilt(PROPOSAL_BETA, acceptance_thresholds, avoidance_thresholds, matching)
    codes = _pilot_codes(generator, seed, _PROPOSAL_PILOT)
    evaluated = tilt.evaluated(generator, fit.classifier, codes)
    return _prepare(generator, fit.classifier, tilt, codes, evaluated, seed)


def _pilot_codes(generator: Generator, seed: int, size: int) -> NDArray[np.float32]:
    """Return fresh codes of the prior, fewer where they are wide."""
    size = min(size, max(_LEAST_PILOT, _PILOT_VALUES // generator.dim))
    named = child_seed(seed, Stream.PILOT_CODES)
    return generator.prior.codes(named, 0, size)


def _prepare(
    generator: Generator,
    classifier: LatentClassifier,
    tilt: Tilt,
    codes: NDArray[np.float32],
    evaluated: NDArray[np.float64],
    seed: int,
) -> TiltSource:
    """Explore on from judged codes to place half-spaces, fit the screen, learn the acceptance."""

    def judge(further: NDArray[np.float32]) -> NDArray[np.float64]:
        return tilt.evaluated(generator, classifier, further)

    pilot = search_proposals(generator.prior, codes, evaluated, judge, tilt.cells, seed)
    prefilter = fit_prefilter(pilot.codes, pilot.log_acceptance, pilot.own, seed)
    prefiltered = prefilter.log_upper_bounds(pilot.codes, slice(None))
    accepted = pilot.acceptance(np.minimum(pilot.log_acceptance, prefiltered))
    return TiltSource(classifier, tilt, pilot.spaces, prefilter, accepted, generator)


def match_by_fresh(
    known: LabelledEvidence,
    fresh: PriorSample,
    means: NDArray[np.float64],
    beta: float,
    verified: bool,
) -> BalancingSolution:
    """Match the means of one-shot draws, or of those that come out as requested.

    `means` are those of `difference_estimator_means`, shape (K, D).

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
    coordinates = np.vstack([known.coordinates, fresh.coordinates])
    own = known.one_hot[:, wanted] * known.weights[:, None]
    # A cell with hardly a label is left where its requests lie.
    as_it_is = (accepted / accepted.sum(axis=0)).T @ coordinates
    by_labels = (own / own.sum(axis=0).clip(1e-300)).T @ known.coordinates
    found = by_fresh & np.isfinite(means[wanted]).all(axis=1)
    goals = np.where(found[:, None], means[wanted], by_labels)
    goals = np.where(_effective(own)[:, None] >= LEAST_OWN, goals, as_it_is)
    goal = shares @ goals
    if verified:
        return entropy_balance(coordinates, accepted, lambda coefficients, log_clip: shares, goal)
    return known.within_reach(
        one_shot, entropy_balance(coordinates, accepted, known.mixing(one_shot), goal)
    )


def _effective(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective number of codes in each column (Kish 1965)."""
    return np.asarray(masses.sum(axis=0) ** 2 / np.square(masses).sum(axis=0).clip(1e-300))

"""Fitting of the tilt: ceilings, sharpness, matching from labelled codes, screens from fresh ones.

What a sharpness would bring is estimated without a single new image: each labelled code stands for
the prior, and weighting it by what the tilt would accept gives the tilted draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from equipoise.calibrate import solve_weights
from equipoise.cell_means import cell_means
from equipoise.distances import frechet_distance, moments
from equipoise.errors import InputError
from equipoise.fresh import Fresh, look
from equipoise.generators.base import Generator
from equipoise.labels import LabelledCodes
from equipoise.latent import LatentClassifier
from equipoise.latent_fit import LatentFit
from equipoise.matching import (
    Axes,
    Matched,
    Matching,
    Shares,
    factors,
    match,
    principal_axes,
    read_pooled,
)
from equipoise.pilot import explore
from equipoise.quantiles import weighted_quantile
from equipoise.screen import fit_screen
from equipoise.seeds import Stream, generator_for
from equipoise.targets import Target
from equipoise.tilt import Tilt, TiltSource, log_chances

CEILING = 0.7
"""Quantile of h over the cell's own codes from which on every code is accepted, c_k."""

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
_LEAST_OWN = 20.0
_NOTHING_AVOIDED = 1e-9


@dataclass(frozen=True)
class FrontierPoint:
    """What one sharpness brings, estimated on held-out labelled codes before any draw.

    Attributes
    ----------
    beta : float
    purity : tuple of float
        Per cell; NaN where the target is 0.
    calls : float
        Generator calls per verified image.
    distance : float
        Squared Frechet distance, on stem features, between calibrated tilted draws and the
        labelled codes weighted to the target; lower is closer.
    """

    beta: float
    purity: tuple[float, ...]
    calls: float
    distance: float


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
        Sharpness, above 0. By default the sharpest of `BETAS` whose distance on the frontier is
        at most `_SLACK` times the least one; `VERIFIED_BETA` for draws that are verified.
    seed : int
        Of the fresh codes.

    Raises
    ------
    InputError
        When beta is not above 0.
    """
    if beta is not None:
        if not (np.isfinite(beta) and beta > 0):
            raise InputError("beta", "must be above 0", beta, "Leave it out.")
        beta = float(beta)
    ground = _ground(generator, fit, labelled, target)
    tried = BETAS if beta is None or beta in BETAS else tuple(sorted((*BETAS, beta)))
    frontier = tuple(_trial(ground, b) for b in tried)
    verified_beta = beta or VERIFIED_BETA
    if beta is None:
        least = min(point.distance for point in frontier)
        beta = max(p.beta for p in frontier if p.distance <= _SLACK * least)
    codes = _pilot_codes(generator, seed, _PILOT)
    fresh = look(generator, fit.classifier, ground.axes, codes)
    sources = []
    for sharpness, verified in ((beta, False), (verified_beta, True)):
        matched = _matched(ground, fresh, sharpness, verified)
        full = np.zeros(target.groups.size)
        full[ground.wanted] = matched.full
        matching = ground.axes.factors(matched.slope, full)
        tilt = Tilt(sharpness, ground.ceilings, ground.clearances, matching)
        log_factors = np.log(factors(fresh.places, matched.slope, full))
        judged = tilt.log_chances(fresh.log_h, log_factors)
        sources.append(_prepare(generator, fit.classifier, tilt, codes, judged, seed))
    one_shot, for_verified = sources
    return TiltFit(replace(one_shot, for_verified=for_verified), frontier)


@dataclass(frozen=True, eq=False)
class _Ground:
    """What labelled codes of known cells tell: n codes, K cells, R of them wanted.

    Attributes
    ----------
    target : Target
    wanted : numpy.ndarray, shape (R,), int64
    weights : numpy.ndarray, shape (n,), float64
    one_hot, log_h : numpy.ndarray, shape (n, K), float64
        Cells, and held-out log P(cell | code).
    folds : numpy.ndarray, shape (n,), int64
    axes : Axes
    places : numpy.ndarray, shape (n, D), float64
    ceilings, clearances : numpy.ndarray, shape (K,), float64
    """

    target: Target
    wanted: NDArray[np.int64]
    weights: NDArray[np.float64]
    one_hot: NDArray[np.float64]
    log_h: NDArray[np.float64]
    folds: NDArray[np.int64]
    axes: Axes
    places: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    clearances: NDArray[np.float64]

    def accepted(self, log_h: NDArray[np.floating], beta: float) -> NDArray[np.float64]:
        """Return how much of each code each request accepts before matching, shape (m, R)."""
        none = np.zeros((1, len(self.ceilings)))
        chances = log_chances(log_h, self.ceilings, self.clearances, beta, none)
        return np.exp(chances[:, self.wanted])

    def mixing(self, accepted: NDArray[np.float64]) -> Shares:
        """Return how one-shot requests are to be mixed to meet the target, by the labels."""

        def shares(
            slope: NDArray[np.float64], full: NDArray[np.float64] | None
        ) -> NDArray[np.float64]:
            tilted = accepted * factors(self.places, slope, full)
            confusion = (tilted / tilted.sum(axis=0)).T @ self.one_hot
            return solve_weights(confusion, self.target.shares)

        return shares


def _ground(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target
) -> _Ground:
    known, positive = labelled.known, target.shares > 0
    weights = labelled.weights[known]
    features = read_pooled(generator, labelled.codes[known])
    axes = principal_axes(features, weights)
    return _Ground(
        target,
        np.flatnonzero(positive),
        weights,
        np.eye(target.groups.size)[labelled.labels.cells[known]],
        fit.held_out[known].astype(np.float64),
        fit.folds[known],
        axes,
        axes.place(features),
        ceilings_of(fit, labelled, positive),
        clearances_of(fit, labelled, positive),
    )


def _trial(ground: _Ground, beta: float) -> FrontierPoint:
    """Estimate what one sharpness brings from the labelled codes alone."""
    target, places, one_hot = ground.target, ground.places, ground.one_hot
    own = one_hot * ground.weights[:, None]
    ideal = (own / own.sum(axis=0).clip(1e-300)) @ target.shares
    ideal /= ideal.sum()
    accepted = ground.accepted(ground.log_h, beta) * ground.weights[:, None]
    matched = match(places, accepted, ground.mixing(accepted), ideal @ places)
    tilted = accepted * factors(places, matched.slope, matched.full)
    tilted /= tilted.sum(axis=0)
    confusion = tilted.T @ one_hot
    purity = np.full(target.groups.size, np.nan)
    purity[ground.wanted] = confusion[np.arange(len(ground.wanted)), ground.wanted]
    with np.errstate(divide="ignore"):
        calls = float((target.shares[ground.wanted] / purity[ground.wanted]).sum())
    drawn = moments(places, tilted @ solve_weights(confusion, target.shares))
    distance = frechet_distance(drawn, moments(places, ideal))
    return FrontierPoint(beta, tuple(purity.tolist()), calls, distance)


def _matched(ground: _Ground, fresh: Fresh, beta: float, verified: bool) -> Matched:
    """Match the means of one-shot draws, or of those that come out as requested.

    Each request is known by the fresh codes, or by the labelled ones where these accept more: a
    rare cell's labels are directed, and of the prior hardly a code is its own.
    """
    wanted, shares = ground.wanted, ground.target.shares[ground.wanted]
    labelled = ground.accepted(ground.log_h, beta) * ground.weights[:, None]
    mixing = ground.mixing(labelled)
    free = ground.accepted(fresh.log_h, beta)
    if verified:
        labelled = labelled * ground.one_hot[:, wanted]
        free = free * np.exp(fresh.log_h[:, wanted].astype(np.float64))
    by_fresh = _effective(free) >= _effective(labelled)
    accepted = np.vstack([np.where(by_fresh, 0.0, labelled), np.where(by_fresh, free, 0.0)])
    places = np.vstack([ground.places, fresh.places])
    means = cell_means(
        *(fresh, ground.places, ground.one_hot, np.exp(ground.log_h)),
        *(ground.weights, ground.folds),
    )[wanted]
    own = ground.one_hot[:, wanted] * ground.weights[:, None]
    # A cell without a label is left where its requests lie.
    as_it_is = (accepted / accepted.sum(axis=0)).T @ places
    by_labels = (own / own.sum(axis=0).clip(1e-300)).T @ ground.places
    by_labels = np.where(own.sum(axis=0)[:, None] > 0, by_labels, as_it_is)
    found = by_fresh & np.isfinite(means).all(axis=1)
    means = np.where(found[:, None], means, by_labels)
    return match(
        places,
        accepted,
        (lambda slope, full: shares) if verified else mixing,
        shares @ means,
    )


def _effective(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effective number of codes in each column (Kish 1965)."""
    return np.asarray(masses.sum(axis=0) ** 2 / np.square(masses).sum(axis=0).clip(1e-300))


def fit_proposal(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target, seed: int = 0
) -> TiltSource:
    """Prepare a tilt whose draws are to be labelled: plain, of sharpness `PROPOSAL_BETA`."""
    ceilings = ceilings_of(fit, labelled, target.shares > 0)
    matching = Matching.none(fit.classifier.stem_shape[0], len(ceilings))
    # Labels near unwanted cells are as useful as others, so nothing is avoided.
    clearances = np.full(len(ceilings), _NOTHING_AVOIDED)
    tilt = Tilt(PROPOSAL_BETA, ceilings, clearances, matching)
    codes = _pilot_codes(generator, seed, _PROPOSAL_PILOT)
    judged = tilt.judged(generator, fit.classifier, codes)
    return _prepare(generator, fit.classifier, tilt, codes, judged, seed)


def _pilot_codes(generator: Generator, seed: int, size: int) -> NDArray[np.float32]:
    """Return fresh codes of the prior, fewer where they are wide."""
    size = min(size, max(_LEAST_PILOT, _PILOT_VALUES // generator.dim))
    named = int(generator_for(seed, Stream.FIT, 4).integers(2**62))
    return generator.prior.codes(named, 0, size)


def ceilings_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the `CEILING` quantile of held-out h over each cell's own codes, shape (K,).

    A cell with too few of its own takes all codes, each as far as it is held to be of the cell.
    Infinite for cells that are not wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    ceilings = np.full(len(wanted), np.inf)
    for k in np.flatnonzero(wanted):
        ceilings[k] = weighted_quantile(h[:, k], own[:, k], CEILING)
    return ceilings


def clearances_of(
    fit: LatentFit, labelled: LabelledCodes, wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the `CEILING` quantile, over each cell's own codes, of held-out P(no unwanted cell).

    Shape (K,), above 0; 1 where every cell is wanted.
    """
    h = np.exp(fit.held_out.astype(np.float64))
    own = _own_weights(h, labelled)
    clear = 1 - h[:, ~wanted].sum(axis=1)
    found = [weighted_quantile(clear, own[:, k], CEILING) for k in range(len(wanted))]
    return np.clip(found, _NOTHING_AVOIDED, 1.0)


def _own_weights(h: NDArray[np.float64], labelled: LabelledCodes) -> NDArray[np.float64]:
    """Return how far each code stands for each cell, shape (n, K).

    A cell with too few codes of its own takes all, each as far as it is held to be of the cell.
    """
    cells = labelled.labels.cells
    enough = labelled.effective() >= _LEAST_OWN
    member = np.where(enough, cells[:, None] == np.arange(h.shape[1]), h)
    return np.asarray(member * (labelled.weights * labelled.known)[:, None])


def _prepare(
    generator: Generator,
    classifier: LatentClassifier,
    tilt: Tilt,
    codes: NDArray[np.float32],
    judged: NDArray[np.float64],
    seed: int,
) -> TiltSource:
    """Explore on from judged codes to place half-spaces, fit the screen, learn the acceptance."""

    def judge(further: NDArray[np.float32]) -> NDArray[np.float64]:
        return tilt.judged(generator, classifier, further)

    pilot = explore(generator.prior, codes, judged, judge, tilt.cells, seed)
    screen = fit_screen(pilot.codes, pilot.log_chances, pilot.own, seed)
    screened = screen.ceilings(pilot.codes, slice(None))
    accepted = pilot.acceptance(np.minimum(pilot.log_chances, screened))
    return TiltSource(classifier, tilt, pilot.spaces, screen, accepted, generator)

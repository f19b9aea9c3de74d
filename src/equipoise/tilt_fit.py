"""Fitting of the tilt: ceilings, sharpness, matching from labelled codes, screens from fresh ones.

What a sharpness would bring is estimated without a single new image: each labelled code stands for
the prior, and weighting it by what the tilt would accept gives the tilted draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.calibrate import solve_weights
from equipoise.distances import frechet_distance, moments
from equipoise.errors import InputError
from equipoise.generators.base import Generator
from equipoise.labels import LabelledCodes
from equipoise.latent import LatentClassifier
from equipoise.latent_fit import LatentFit
from equipoise.matching import Matched, Matching, match, principal_axes, read_pooled
from equipoise.pilot import explore
from equipoise.quantiles import weighted_quantile
from equipoise.screen import fit_screen
from equipoise.targets import Target
from equipoise.tilt import TiltSource, log_chances
from equipoise.workers import batches

CEILING = 0.7
"""Quantile of h over the cell's own codes from which on every code is accepted, c_k."""

BETAS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Sharpnesses that are tried when none is set."""

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
_CHUNK = 256


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
    """A tilt with how its sharpness was chosen."""

    source: TiltSource
    frontier: tuple[FrontierPoint, ...]


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
        at most `_SLACK` times the least one.
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
    known = labelled.known
    cells, weights = labelled.labels.cells[known], labelled.weights[known]
    log_h = fit.held_out[known].astype(np.float64)
    one_hot = np.eye(target.groups.size)[cells]
    features = read_pooled(generator, labelled.codes[known])
    axes = principal_axes(features, weights)
    places = axes.place(features)
    mass = one_hot * weights[:, None]
    ideal = (mass / mass.sum(axis=0).clip(1e-300)) @ target.shares
    ideal /= ideal.sum()
    reference = moments(places, ideal)
    ceilings = ceilings_of(fit, labelled, target.shares > 0)
    clearances = clearances_of(fit, labelled, target.shares > 0)

    def trial(beta: float) -> tuple[FrontierPoint, Matched]:
        wanted = np.flatnonzero(target.shares > 0)
        none = np.zeros((1, target.groups.size))
        accepted = np.exp(log_chances(log_h, ceilings, clearances, beta, none))[:, wanted]
        accepted *= weights[:, None]
        matched = match(places, accepted, one_hot, target.shares, ideal)
        exponents = (places @ matched.slope)[:, None] - matched.full
        tilted = accepted * np.exp(np.minimum(exponents, 0))
        tilted /= tilted.sum(axis=0)
        confusion = tilted.T @ one_hot
        purity = np.full(target.groups.size, np.nan)
        purity[wanted] = confusion[np.arange(len(wanted)), wanted]
        with np.errstate(divide="ignore"):
            calls = float((target.shares[wanted] / purity[wanted]).sum())
        drawn = moments(places, tilted @ solve_weights(confusion, target.shares))
        distance = frechet_distance(drawn, reference)
        return FrontierPoint(beta, tuple(purity.tolist()), calls, distance), matched

    tried = BETAS if beta is None or beta in BETAS else tuple(sorted((*BETAS, beta)))
    trials = {b: trial(b) for b in tried}
    frontier = tuple(point for point, _ in trials.values())
    if beta is None:
        least = min(point.distance for point in frontier)
        beta = max(p.beta for p in frontier if p.distance <= _SLACK * least)
    matched = trials[beta][1]
    full = np.zeros(target.groups.size)
    full[target.shares > 0] = matched.full
    matching = axes.factors(matched.slope, full)
    source = _prepare(generator, fit.classifier, ceilings, clearances, beta, matching, seed, _PILOT)
    return TiltFit(source, frontier)


def fit_proposal(
    generator: Generator, fit: LatentFit, labelled: LabelledCodes, target: Target, seed: int = 0
) -> TiltSource:
    """Prepare a tilt whose draws are to be labelled: plain, of sharpness `PROPOSAL_BETA`."""
    ceilings = ceilings_of(fit, labelled, target.shares > 0)
    matching = Matching.none(fit.classifier.stem_shape[0], len(ceilings))
    # Labels near unwanted cells are as useful as others, so nothing is avoided.
    clearances = np.full(len(ceilings), _NOTHING_AVOIDED)
    return _prepare(
        generator,
        fit.classifier,
        ceilings,
        clearances,
        PROPOSAL_BETA,
        matching,
        seed,
        _PROPOSAL_PILOT,
    )


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
    ceilings: NDArray[np.float64],
    clearances: NDArray[np.float64],
    beta: float,
    matching: Matching,
    seed: int,
    size: int,
) -> TiltSource:
    """Explore the prior to place half-spaces, fit the screen, and learn what each cell accepts."""

    def judge(codes: NDArray[np.float32]) -> NDArray[np.float64]:
        parts = []
        for low, high in batches(0, len(codes), _CHUNK):
            stem = generator.stem(codes[low:high])
            log_h = classifier.log_probabilities(stem)
            factors = matching.log_factors(stem)
            parts.append(log_chances(log_h, ceilings, clearances, beta, factors))
        return np.concatenate(parts)

    size = min(size, max(_LEAST_PILOT, _PILOT_VALUES // generator.dim))
    pilot = explore(generator.prior, judge, np.isfinite(ceilings), size, seed)
    screen = fit_screen(pilot.codes, pilot.log_chances, pilot.own, seed)
    screened = screen.ceilings(pilot.codes, slice(None))
    accepted = pilot.acceptance(np.minimum(pilot.log_chances, screened))
    return TiltSource(
        classifier, beta, ceilings, clearances, matching, pilot.spaces, screen, accepted, generator
    )

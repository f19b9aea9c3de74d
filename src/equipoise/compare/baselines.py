"""All methods of a comparison behind one interface: from a case to codes and their cost.

Each method gets the same number of classified images: labels of the prior, directed labels and
those of calibration count alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise.compare.case import Case, Outcome
from equipoise.compare.logistic import logistic
from equipoise.compare.moment_constraint import moment_constraint
from equipoise.core.seeds import Stream, child_seed, generator_for
from equipoise.methods import calibrated, mixture_sampler, shift_sampler
from equipoise.methods.tilt.rules import EXACT, TYPICAL
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.mixture import MixtureSource, fit_mixture
from equipoise.samplers.tilt import TiltSource
from equipoise.samplers.verified import exact_counts, verified

_RIDGE = 0.1
"""Variance added to the Gaussian of a cell, which may have few labels; chosen by hand."""


def prior(case: Case) -> Outcome:
    """Draw from the prior."""
    began = time.perf_counter()
    codes = case.generator.prior.codes(child_seed(case.seed, Stream.COMPARED_PRIOR), 0, case.n)
    seconds = (time.perf_counter() - began) * 1000 / case.n
    return Outcome(codes, None, 1.0, 0.0, seconds, 0, faithfulness=(1.0,) * case.grid.size)


def rejection(case: Case) -> Outcome:
    """Draw from the prior until every cell is full; these are the codes of the last reference."""
    last = case.pool.references(case.target) - 1
    codes = case.pool.codes(case.pool.reference(case.target, last))
    whole = (1.0,) * case.grid.size
    return Outcome(codes, None, case.pool.calls(case.target), 0.0, np.nan, 0, faithfulness=whole)


def importance_resampling(case: Case) -> Outcome:
    """Resample labelled codes with weights: the target's shares over the observed ones."""
    known = np.flatnonzero(case.labels.cells >= 0)
    cells = case.labels.cells[known]
    weights = case.target.shares[cells] / np.bincount(cells, minlength=case.grid.size)[cells]
    weights /= weights.sum()
    rng = generator_for(case.seed, Stream.COMPARED_RESAMPLING)
    began = time.perf_counter()
    rows = known[rng.choice(len(cells), size=case.n, p=weights)]
    seconds = (time.perf_counter() - began) * 1000 / case.n
    return Outcome(case.codes[rows], None, 1.0, 0.0, seconds, len(case.labels))


def paper(distance: float, *, calibrate: bool) -> Callable[[Case], Outcome]:
    """Return the recipe of arXiv 2012.04842 at one shift distance, with one component.

    As published, all labels serve the directions, and cells are requested in the target's shares.
    """

    def run(case: Case) -> Outcome:
        given = case.of_prior if calibrate else case.context
        settings = replace(given.settings, distance=distance, components=1)
        context = replace(given, settings=settings)
        began = time.perf_counter()
        sampler = shift_sampler(context).sampler
        if calibrate:
            sampler, _ = calibrated(context, sampler.source)
        return case.draw(sampler, time.perf_counter() - began)

    return run


def gaussian_per_cell(case: Case) -> Outcome:
    """Fit one Gaussian to the labelled codes of each cell, and calibrate its requests."""
    began = time.perf_counter()
    labels = case.of_prior.labels
    fitted = [
        fit_mixture(
            case.codes[: len(labels)][labels.cells == k], 1, regularisation=_RIDGE, seed=case.seed
        )
        for k in range(case.grid.size)
    ]
    sampler, _ = calibrated(case.of_prior, MixtureSource(tuple(fitted)))
    return case.draw(sampler, time.perf_counter() - began)


def mixture(case: Case) -> Outcome:
    """Fit one mixture a cell to verified draws of the tilt, and calibrate its requests."""
    began = time.perf_counter()
    sampler = mixture_sampler(case.of_prior).sampler
    outcome = case.draw(sampler, time.perf_counter() - began)
    more = case.context.settings.mixture_n + case.context.settings.calibration_n
    # Images that came out as others on the way to its draws are not counted.
    note = f"classifies over {more} images more than the others"
    return replace(outcome, labels=outcome.labels + more, note=note)


def tilt_one_shot(case: Case) -> Outcome:
    """Tilt, and deliver every draw."""
    tilt = case.tilt
    before = tilt.stems.codes
    outcome = case.draw(tilt.sampler, tilt.seconds)
    calls = 1 + tilt.stem_calls(before) / case.n
    assert isinstance(tilt.sampler.source, TiltSource)
    return replace(outcome, calls=calls, faithfulness=_of_tilt(case, tilt.sampler.source))


def tilt_verified(faithful: str | None) -> Callable[[Case], Outcome]:
    """Return a method: tilt, classify each image, and deliver those of the requested cell.

    Parameters
    ----------
    faithful : str or None
        "exact" or "typical"; None for the number of the settings.
    """

    def run(case: Case) -> Outcome:
        tilt, sampler = case.tilt, case.tilt.sampler
        assert isinstance(sampler.source, TiltSource)
        named = (EXACT, TYPICAL)
        number = next(one.faithful for one in sampler.statements if one.faithful not in named)
        mode = number if faithful is None else faithful
        began, before = time.perf_counter(), tilt.stems.codes
        drawn, made = gather_latents(
            verified(
                sampler,
                case.context.models,
                exact_counts(case.target, case.n),
                case.draw_seed,
                faithful=mode,
                execution=case.context.execution,
            )
        )
        seconds = (time.perf_counter() - began) * 1000 / case.n
        calls = (made + tilt.stem_calls(before)) / case.n
        source = sampler.source.for_verified(mode)
        exact = source.current.weighted
        return Outcome(
            drawn.codes,
            drawn.requested,
            calls,
            tilt.seconds,
            seconds,
            len(case.labels),
            weights=drawn.weights if exact else None,
            faithfulness=(1.0,) * case.grid.size if exact else _of_tilt(case, source),
        )

    return run


def _of_tilt(case: Case, source: TiltSource) -> tuple[float, ...]:
    """Return the faithfulness of a tilt's codes, from the acceptance of codes of the pool."""

    def acceptances(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        folds = np.arange(len(rows)) % source.classifier.folds
        return source.acceptances(case.pool.codes(rows), folds)

    return case.faithfulness(acceptances)


REJECTION = "rejection"
"""Name of rejection."""

RESAMPLING = "importance resampling"
"""Name of importance resampling."""

PAPER = "paper, distance"
"""Prefix of the names of the paper's method."""

CALIBRATED = ", calibrated"

_DISTANCES = (0.75, 1.5, 3.0)
"""Shift distances of the paper's method; chosen by hand."""

BASELINES: dict[str, Callable[[Case], Outcome]] = {
    "prior": prior,
    REJECTION: rejection,
    RESAMPLING: importance_resampling,
    **{f"{PAPER} {d:g}": paper(d, calibrate=False) for d in _DISTANCES},
    **{f"{PAPER} {d:g}{CALIBRATED}": paper(d, calibrate=True) for d in _DISTANCES},
    "Gaussian per labelled cell, calibrated": gaussian_per_cell,
    "moment constraint, marginal": moment_constraint(joint=False),
    "moment constraint, joint": moment_constraint(joint=True),
    "logistic regression on codes, verified": logistic(stem=False),
    "logistic regression on features, verified": logistic(stem=True),
    "tilt, one-shot": tilt_one_shot,
    "tilt, verified": tilt_verified(None),
    "tilt, verified, exact": tilt_verified(EXACT),
    "tilt, verified, typical": tilt_verified(TYPICAL),
    "mixture on draws of the tilt": mixture,
}
"""All methods by name, in the order of the tables; the mixture follows the tilt it draws from."""

"""All methods of a comparison behind one interface: from a case to codes and their cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.compare.reference import Pool
from equipoise.core.attributes import AttributeGrid
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed, generator_for
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.methods import FitContext, shift_sampler, tilt_sampler
from equipoise.samplers.draw import exact_counts, gather_codes, verified
from equipoise.samplers.mixture import MixtureSource, fit_mixture
from equipoise.samplers.sampler import GeneratorRef, Sampler

_RIDGE = 0.1
"""Variance added to the Gaussian of a cell, which may have few labels; chosen by hand."""

_PAPER_RIDGE = 1e-4
"""Variance added to the paper's mixture, against singular covariances; chosen by hand."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The codes that a method delivers, and their cost.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    requested : numpy.ndarray, shape (n,), int64, or None
        Requested cells; None where the method requests none.
    calls : float
        Generator calls per delivered image.
    fit, draw : float
        Seconds to fit, and seconds per 1,000 draws: of codes, or of images if each is verified.
    note : str
        Remark for the results; empty for none.
    """

    codes: NDArray[np.float32]
    requested: NDArray[np.int64] | None
    calls: float
    fit: float
    draw: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """One set of attributes, one number of labels and one seed, with a uniform target.

    Attributes
    ----------
    context : FitContext
        Generator, panel, settings and target; its labels are those of codes of the prior.
    pool : Pool
        Source of the references.
    n : int
        Draws of each method.
    """

    context: FitContext
    pool: Pool
    n: int

    @property
    def generator(self) -> Generator:
        """The generator."""
        return self.context.generator

    @property
    def grid(self) -> AttributeGrid:
        """The cells."""
        return self.context.labels.grid

    @property
    def labels(self) -> Labels:
        """The labels that methods are fitted to."""
        return self.context.labels

    @property
    def seed(self) -> int:
        """Seed of all draws."""
        return self.context.settings.seed

    @property
    def target(self) -> Target:
        """The uniform target."""
        return self.context.target

    @cached_property
    def codes(self) -> NDArray[np.float32]:
        """The labelled codes."""
        return self.generator.prior.codes(self.seed, 0, len(self.labels))

    @cached_property
    def tilt(self) -> tuple[Sampler, float]:
        """The tilted sampler, with a part of its labels directed, and the seconds of its fit."""
        began = time.perf_counter()
        of_prior = self.labels.take(slice(0, self.context.settings.prior_n))
        fitted = tilt_sampler(replace(self.context, labels=of_prior))
        return fitted.sampler, time.perf_counter() - began

    @cached_property
    def verified_codes(self) -> tuple[list[NDArray[np.float32]], float, float]:
        """Verified codes of each cell, calls per image, and seconds of drawing."""
        sampler = self.tilt[0]
        began = time.perf_counter()
        counts = exact_counts(self.target, self.n)
        panel, workers = self.context.models.panel, self.context.settings.workers
        drawn = verified(
            sampler,
            Models(self.generator, panel),
            counts,
            self.seed,
            execution=Execution(workers=workers),
        )
        codes, cells, calls = gather_codes(drawn)
        own = [codes[cells == k] for k in range(self.grid.size)]
        return own, calls / self.n, time.perf_counter() - began

    def draw(self, sampler: Sampler, fit: float, note: str = "") -> Outcome:
        """Draw n codes one-shot."""
        began = time.perf_counter()
        draws = sampler.draw(self.n, child_seed(self.seed, Stream.COMPARED_DRAWS))
        seconds = (time.perf_counter() - began) * 1000 / self.n
        return Outcome(draws.codes, draws.requested, 1.0, fit, seconds, note)

    def mixtures(
        self, codes: list[NDArray[np.float32]], components: int | str, regularisation: float
    ) -> Sampler:
        """Fit a mixture to the codes of each cell, and return a sampler of them."""
        fitted = [
            fit_mixture(own, components, regularisation=regularisation, seed=self.seed)
            for own in codes
        ]
        source = MixtureSource(tuple(fitted))
        return Sampler(GeneratorRef.of(self.generator), self.target, self.target.shares, source)


def prior(case: Case) -> Outcome:
    """Draw from the prior."""
    began = time.perf_counter()
    codes = case.generator.prior.codes(child_seed(case.seed, Stream.COMPARED_PRIOR), 0, case.n)
    seconds = (time.perf_counter() - began) * 1000 / case.n
    return Outcome(codes, None, 1.0, 0.0, seconds)


def rejection(case: Case) -> Outcome:
    """Draw from the prior until every cell is full; these are the codes of the last reference."""
    last = case.pool.references(case.grid) - 1
    codes = case.pool.codes(case.pool.balanced(case.grid, last))
    return Outcome(codes, None, case.pool.calls(case.grid), 0.0, np.nan)


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
    effective = 1 / np.square(weights).sum()
    note = f"effective sample size {effective:.0f}"
    return Outcome(case.codes[rows], None, 1.0, 0.0, seconds, note)


def paper(distance: float, components: int) -> Callable[[Case], Outcome]:
    """Return the recipe of arXiv 2012.04842 at one shift distance and number of components."""

    def run(case: Case) -> Outcome:
        settings = replace(case.context.settings, distance=distance, components=components)
        began = time.perf_counter()
        fitted = shift_sampler(replace(case.context, settings=settings))
        return case.draw(fitted.sampler, time.perf_counter() - began)

    return run


def gaussian_per_cell(case: Case) -> Outcome:
    """Fit one Gaussian to the labelled codes of each cell; its variances are raised by 0.1."""
    began = time.perf_counter()
    own = [case.codes[case.labels.cells == k] for k in range(case.grid.size)]
    return case.draw(case.mixtures(own, 1, _RIDGE), time.perf_counter() - began)


def mixture_on_verified(case: Case) -> Outcome:
    """Fit the paper's mixture to verified codes of the tilt."""
    codes, _, seconds = case.verified_codes
    began = time.perf_counter()
    sampler = case.mixtures(codes, "bic", _PAPER_RIDGE)
    return case.draw(sampler, case.tilt[1] + seconds + time.perf_counter() - began)


def tilt_of_prior(case: Case) -> Outcome:
    """Tilt with all labels of the prior and none directed."""
    settings = replace(case.context.settings, directed=0.0)
    began = time.perf_counter()
    fitted = tilt_sampler(replace(case.context, settings=settings))
    return case.draw(fitted.sampler, time.perf_counter() - began)


def tilt_one_shot(case: Case) -> Outcome:
    """Tilt, calibrate, and deliver every draw."""
    sampler, fit = case.tilt
    return case.draw(sampler, fit)


def tilt_verified(case: Case) -> Outcome:
    """Tilt, classify each image, and deliver those of the requested cell."""
    codes, calls, seconds = case.verified_codes
    requested = np.repeat(np.arange(case.grid.size), [len(own) for own in codes])
    per_thousand = seconds * 1000 / case.n
    return Outcome(np.concatenate(codes), requested, calls, case.tilt[1], per_thousand)


PAPER = "paper, shift"
"""Prefix of the names of the paper's method."""

_PAPER_SETTINGS = ((0.75, 1), (1.5, 1), (3.0, 1), (1.5, 4))
"""Shift distances and numbers of components of the paper's method; chosen by hand."""

BASELINES: dict[str, Callable[[Case], Outcome]] = {
    "prior": prior,
    "rejection": rejection,
    "importance resampling": importance_resampling,
    **{
        f"{PAPER} {distance:g}, {components} component{'s' * (components > 1)}": paper(
            distance, components
        )
        for distance, components in _PAPER_SETTINGS
    },
    "Gaussian per labelled cell": gaussian_per_cell,
    "mixture on verified codes": mixture_on_verified,
    "tilt, labels of the prior alone": tilt_of_prior,
    "tilt, one-shot": tilt_one_shot,
    "tilt, verified": tilt_verified,
}
"""All methods by name, in the order of the tables."""

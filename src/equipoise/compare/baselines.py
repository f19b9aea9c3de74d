"""Every method behind one interface: a case in, codes and what they cost out."""

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
from equipoise.samplers.tilt import TiltSource


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a method delivers.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    requested : numpy.ndarray, shape (n,), int64, or None where nothing is requested
    calls : float
        Generator calls per delivered image.
    fit, draw : float
        Seconds to fit, and per 1,000 draws: of codes, or of images where each is verified.
    note : str
    """

    codes: NDArray[np.float32]
    requested: NDArray[np.int64] | None
    calls: float
    fit: float
    draw: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """One set of attributes at one number of labels and one seed, with a uniform target.

    Attributes
    ----------
    ground : FitContext
        Its labels are all of the prior.
    pool : Pool
        Gives the references.
    n : int
        Draws of each method.
    """

    context: FitContext
    pool: Pool
    n: int

    @property
    def generator(self) -> Generator:
        """The generator under test."""
        return self.context.generator

    @property
    def grid(self) -> AttributeGrid:
        """The cells."""
        return self.context.labels.grid

    @property
    def labels(self) -> Labels:
        """The labels that methods may learn from."""
        return self.context.labels

    @property
    def seed(self) -> int:
        """Names all draws."""
        return self.context.settings.seed

    @property
    def target(self) -> Target:
        """Uniform."""
        return self.context.target

    @cached_property
    def codes(self) -> NDArray[np.float32]:
        """The labelled codes."""
        return self.generator.prior.codes(self.seed, 0, len(self.labels))

    @cached_property
    def tilt(self) -> tuple[Sampler, float]:
        """The tilted sampler and the seconds that it took; a part of its labels is directed."""
        began = time.perf_counter()
        of_prior = self.labels.take(slice(0, self.context.settings.prior_n))
        made = tilt_sampler(replace(self.context, labels=of_prior))
        return made.sampler, time.perf_counter() - began

    @cached_property
    def verified_codes(self) -> tuple[list[NDArray[np.float32]], float, float]:
        """Codes of each cell that came out as requested, calls per image, seconds of drawing."""
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
        """Fit a mixture to the codes of each cell."""
        fitted = [
            fit_mixture(own, components, regularisation=regularisation, seed=self.seed)
            for own in codes
        ]
        source = MixtureSource(tuple(fitted))
        return Sampler(GeneratorRef.of(self.generator), self.target, self.target.shares, source)


def prior(case: Case) -> Outcome:
    """Draw from the generator as it is."""
    began = time.perf_counter()
    codes = case.generator.prior.codes(child_seed(case.seed, Stream.COMPARED_PRIOR), 0, case.n)
    seconds = (time.perf_counter() - began) * 1000 / case.n
    return Outcome(codes, None, 1.0, 0.0, seconds)


def rejection(case: Case) -> Outcome:
    """Wait in the prior's draws until every cell is full: the last balanced reference."""
    last = case.pool.references(case.grid) - 1
    codes = case.pool.codes(case.pool.balanced(case.grid, last))
    return Outcome(codes, None, case.pool.calls(case.grid), 0.0, np.nan)


def importance_resampling(case: Case) -> Outcome:
    """Draw labelled codes again with the weights of the target over the cells' shares."""
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
        made = shift_sampler(replace(case.context, settings=settings))
        return case.draw(made.sampler, time.perf_counter() - began)

    return run


def gaussian_per_cell(case: Case) -> Outcome:
    """Fit one Gaussian to the labelled codes of each cell, a tenth of variance added."""
    began = time.perf_counter()
    own = [case.codes[case.labels.cells == k] for k in range(case.grid.size)]
    return case.draw(case.mixtures(own, 1, 0.1), time.perf_counter() - began)


def mixture_on_verified(case: Case) -> Outcome:
    """Fit the paper's mixture to verified tilted codes."""
    codes, _, seconds = case.verified_codes
    began = time.perf_counter()
    sampler = case.mixtures(codes, "bic", 1e-4)
    return case.draw(sampler, case.tilt[1] + seconds + time.perf_counter() - began)


def tilt_of_prior(case: Case) -> Outcome:
    """Tilt by what as many labels of the prior alone teach."""
    settings = replace(case.context.settings, directed=0.0)
    began = time.perf_counter()
    made = tilt_sampler(replace(case.context, settings=settings))
    return case.draw(made.sampler, time.perf_counter() - began)


def tilt_one_shot(case: Case) -> Outcome:
    """Tilt, calibrate, draw once."""
    sampler, fit = case.tilt
    assert isinstance(sampler.source, TiltSource)
    return case.draw(sampler, fit, f"beta {sampler.source.tilt.beta:g}")


def tilt_verified(case: Case) -> Outcome:
    """Tilt, classify each image, keep those of the requested cell."""
    codes, calls, seconds = case.verified_codes
    requested = np.repeat(np.arange(case.grid.size), [len(own) for own in codes])
    per_thousand = seconds * 1000 / case.n
    return Outcome(np.concatenate(codes), requested, calls, case.tilt[1], per_thousand)


PAPER = "paper, shift"
"""How the names of the paper's rows begin."""

BASELINES: dict[str, Callable[[Case], Outcome]] = {
    "prior": prior,
    "rejection": rejection,
    "importance resampling": importance_resampling,
    **{
        f"{PAPER} {distance:g}, {components} component{'s' * (components > 1)}": paper(
            distance, components
        )
        for distance, components in ((0.75, 1), (1.5, 1), (3.0, 1), (1.5, 4))
    },
    "Gaussian per labelled cell": gaussian_per_cell,
    "mixture on verified codes": mixture_on_verified,
    "tilt, labels of the prior alone": tilt_of_prior,
    "tilt, one-shot": tilt_one_shot,
    "tilt, verified": tilt_verified,
}
"""All methods by name, in the order of the tables."""

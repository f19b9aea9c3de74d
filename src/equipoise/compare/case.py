"""One case of a comparison: what every method is given, and what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.compare.reference import Pool
from equipoise.core.attributes import AttributeGrid
from equipoise.core.labels import Labels
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.targets import Target
from equipoise.generators.base import Generator, generate
from equipoise.generators.counting import StemCount, count_stems
from equipoise.methods import FitContext, tilt_sampler
from equipoise.samplers.sampler import LatentBatch, Sampler

_LARGEST_READ = 2000
"""Codes of a cell, at most, from which the faithfulness of an acceptance is computed."""

Acceptances = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""From rows of the pool, shape (n,), to the probability that each cell accepts each, (n, K)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The codes that a method delivers, and their cost.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    requested : numpy.ndarray, shape (n,), int64, or None
        Requested cells; None where the method requests none.
    calls : float
        Calls of generator and classifiers per delivered image, with the stages that were read, at
        measured cost. Candidates are looked at ahead: for some hundred images a few more stages are
        read than are needed.
    fit, draw : float
        Seconds to fit, and seconds per 1,000 draws: of codes, or of images if each is verified.
    labels : int
        Classified images that were needed before the first draw.
    note : str
        Remark for the results; empty for none.
    weights : numpy.ndarray, shape (n,), float64, or None
        Of the images; None where each stands for itself.
    faithfulness : tuple of float, or None
        For each cell 1 less the total variation between the (weighted) codes of its images and the
        generator's own codes of the cell; None where the density of the codes is not known.
    """

    codes: NDArray[np.float32]
    requested: NDArray[np.int64] | None
    calls: float
    fit: float
    draw: float
    labels: int
    note: str = ""
    weights: NDArray[np.float64] | None = None
    faithfulness: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class FittedTilt:
    """The tilt, whose draws are counted.

    Attributes
    ----------
    sampler : Sampler
        Bound to a generator that counts stems.
    stems : StemCount
        Of all draws so far.
    stem_cost : float
        Measured cost of a candidate whose stem is read, in calls.
    seconds : float
        Of the fit.
    """

    sampler: Sampler
    stems: StemCount
    stem_cost: float
    seconds: float

    def stem_calls(self, before: int) -> float:
        """Return the cost of the stems that were computed since the count was `before`."""
        return (self.stems.codes - before) * self.stem_cost


@dataclass(frozen=True, eq=False)
class Case:
    """One set of attributes, one number of labels, one seed and one target.

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
        """All classified images, those of codes of the prior."""
        return self.context.labels

    @property
    def seed(self) -> int:
        """Seed of the settings."""
        return self.context.settings.seed

    @property
    def draw_seed(self) -> int:
        """Seed of a method's draws."""
        return child_seed(self.seed, Stream.COMPARED_DRAWS)

    @property
    def target(self) -> Target:
        """The target; it wants every cell."""
        return self.context.target

    @cached_property
    def codes(self) -> NDArray[np.float32]:
        """The labelled codes."""
        return self.generator.prior.codes(self.seed, 0, len(self.labels))

    @cached_property
    def of_prior(self) -> FitContext:
        """The context of methods that use a part of their labels for directing or calibrating."""
        kept = self.labels.take(slice(0, self.context.settings.prior_n))
        return replace(self.context, labels=kept)

    @cached_property
    def tilt(self) -> FittedTilt:
        """The tilt, fitted once for all of its modes."""
        began = time.perf_counter()
        fitted = tilt_sampler(self.of_prior)
        seconds = time.perf_counter() - began
        assert fitted.tilt is not None
        generator, stems = count_stems(self.generator)
        return FittedTilt(fitted.sampler.bound(generator), stems, fitted.tilt.stage_cost, seconds)

    def draw(self, sampler: Sampler, fit: float) -> Outcome:
        """Draw n codes one-shot."""
        began = time.perf_counter()
        draws: LatentBatch = sampler.draw(self.n, self.draw_seed)
        seconds = (time.perf_counter() - began) * 1000 / self.n
        return Outcome(draws.codes, draws.requested, 1.0, fit, seconds, len(self.labels))

    def cells_of(self, codes: NDArray[np.float32]) -> NDArray[np.int64]:
        """Generate and classify codes, shape (n, dim); return their cells, shape (n,)."""

        def classify(bounds: tuple[int, int]) -> NDArray[np.int64]:
            images = generate(self.generator, codes[slice(*bounds)])
            return self.context.models.panel.predict(images).cells

        parts = batches(0, len(codes), self.generator.batch_size)
        with closing(ordered_map(classify, parts, self.context.execution.workers)) as found:
            return np.concatenate([np.empty(0, np.int64), *found])

    def faithfulness(self, acceptances: Acceptances) -> tuple[float, ...]:
        """Return the faithfulness of draws of each cell, from how its codes are accepted.

        Accepted with probability a, the cell's codes have the total variation E|a / E[a] - 1| / 2
        to all of them; both means are over codes of the cell in the pool.
        """
        found = []
        for k, rows in enumerate(self.pool.own(self.grid)):
            accepted = acceptances(rows[:_LARGEST_READ])[:, k]
            mean = accepted.mean()
            found.append(float(1 - np.abs(accepted / mean - 1).mean() / 2) if mean else 0.0)
        return tuple(found)

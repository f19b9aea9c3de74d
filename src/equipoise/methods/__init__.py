"""Methods that fit a sampler to labelled codes: one function each, called by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.folders import Folder
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.labelling.draws import label_draws
from equipoise.methods.calibration import Calibration, calibrate_counts
from equipoise.methods.occurrence import check_cells, check_levels
from equipoise.methods.shift.directions import fit_directions
from equipoise.methods.shift.hyperplanes import Directions
from equipoise.methods.shift.shift import ShiftInfo, shift_codes
from equipoise.methods.tilt.directed_labels import LabellingInfo, label_adaptively
from equipoise.methods.tilt.estimator import TiltedSampler
from equipoise.methods.tilt.fit import TiltFit
from equipoise.methods.tilt.fit_latent import LatentClassifierInfo
from equipoise.methods.tilt.rules import EXACT, TYPICAL, FrontierPoint, OneShotStatement
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.mixture import Mixture, MixtureSource, fit_mixture
from equipoise.samplers.sampler import GeneratorRef, LatentSource, Sampler
from equipoise.samplers.statements import ModeStatement
from equipoise.samplers.verified import exact_counts, verified


@dataclass(frozen=True, eq=False, kw_only=True)
class TiltInfo:
    """Diagnostics of a tilt.

    Attributes
    ----------
    labelling : LabellingInfo
        Numbers of labels by source and cell.
    latent : LatentClassifierInfo
        Quality of the latent classifier.
    faithful : float or str
        Wanted faithfulness of verified draws: a number, exact or typical.
    verified : tuple of ModeStatement
        What verified draws are, estimated before any draw; the mode that was asked for comes
        first.
    one_shot : tuple of OneShotStatement
        What one-shot draws of each cell are, estimated before any draw.
    frontier : tuple of FrontierPoint
        Calls against faithfulness of verified draws, for thresholds of several recalls.
    stage_cost : float
        Measured cost of a candidate whose stage is read, as a share of an image and its
        classification.
    acceptance : tuple of float
        Share of the codes of the prior that each cell accepts for one-shot draws.
    calibration : Calibration
    """

    labelling: LabellingInfo
    latent: LatentClassifierInfo
    faithful: float | str
    verified: tuple[ModeStatement, ...]
    one_shot: tuple[OneShotStatement, ...]
    frontier: tuple[FrontierPoint, ...]
    stage_cost: float
    acceptance: tuple[float, ...]
    calibration: Calibration


@dataclass(frozen=True, eq=False)
class _FittedTilt:
    """A tilt with the diagnostics of its labels and classifier."""

    labelling: LabellingInfo
    latent: LatentClassifierInfo
    fit: TiltFit

    def info(self, settings: Settings, calibration: Calibration) -> TiltInfo:
        """Return all diagnostics, with the calibration of the draws that are reported."""
        fit = self.fit
        return TiltInfo(
            labelling=self.labelling,
            latent=self.latent,
            faithful=settings.faithful,
            verified=fit.verified,
            one_shot=fit.one_shot,
            frontier=fit.frontier,
            stage_cost=fit.stage_cost,
            acceptance=tuple(np.asarray(fit.source.current.acceptance).tolist()),
            calibration=calibration,
        )


@dataclass(frozen=True, eq=False)
class FitResult:
    """A sampler with the diagnostics of its fit.

    Attributes
    ----------
    sampler : Sampler
    shift : tuple of (ShiftInfo or None), or None
        Only for shift: displacement of the codes of each cell, None for a cell of target 0.
    tilt : TiltInfo or None
        Only for methods that tilt: latent classifier, frontier and calibration.
    """

    sampler: Sampler
    shift: tuple[ShiftInfo | None, ...] | None = None
    tilt: TiltInfo | None = None


@dataclass(frozen=True, eq=False)
class FitContext:
    """Input of every method.

    Attributes
    ----------
    models : Models
    labels : Labels
        Labels of the first codes of the prior under the settings' seed.
    target : Target
    settings : Settings
    draws_folder : callable
        `draws_folder(digest, stage)` returns the folder for labels of a sampler's draws.
    execution : Execution
        Threads and progress. Results do not depend on it.
    """

    models: Models
    labels: Labels
    target: Target
    settings: Settings
    draws_folder: Callable[[str, str], Path | Folder]
    execution: Execution = Execution()

    @property
    def generator(self) -> Generator:
        """The generator to balance."""
        return self.models.generator

    @cached_property
    def directions(self) -> Directions:
        """Hyperplanes of all attributes, fitted at the first access; tilting needs none."""
        return label_directions(self.generator, self.labels, self.settings)

    @cached_property
    def tilt(self) -> _FittedTilt:
        """A tilt of the prior, with directed labels; fitted at the first access."""
        settings, generator = self.settings, self.generator
        codes = generator.prior.codes(settings.seed, 0, len(self.labels))
        labelled = label_adaptively(
            self.models,
            LabelledCodes.of_prior(codes, self.labels),
            self.target,
            settings.directed_n,
            seed=settings.seed,
            draws_folder=self.draws_folder,
            execution=self.execution,
        )
        known = labelled.codes
        check_cells(labelled.account.counts, labelled.account.of_prior, self.target)
        tilted = TiltedSampler(
            generator,
            self.target,
            faithful=settings.faithful,
            seed=settings.seed,
            execution=self.execution,
        )
        tilted.fit(known.codes, known.labels, known.weights, models=self.models)
        return _FittedTilt(labelled.account, tilted.latent_.quality, tilted.fit_)

    def sampler(
        self,
        source: LatentSource,
        weights: NDArray[np.float64],
        statements: tuple[ModeStatement, ...] = (),
    ) -> Sampler:
        """Return a sampler of the run's target, with request rates, shape (K,), and settings."""
        return Sampler(
            GeneratorRef.of(self.generator),
            self.target,
            weights,
            source,
            self.settings.to_dict(),
            self.models.panel.digest,
            statements,
        )


def label_directions(generator: Generator, labels: Labels, settings: Settings) -> Directions:
    """Fit the directions of all attributes to the labelled codes of the prior.

    Parameters
    ----------
    generator : Generator
    labels : Labels
        Labels of the first codes of the prior under the settings' seed.
    settings : Settings
        Gives `seed`, `fraction` and `multilevel`.

    Raises
    ------
    InsufficientLabelsError, InputError
        As for `fit_directions`.
    """
    codes = generator.prior.codes(settings.seed, 0, len(labels))
    return fit_directions(
        codes,
        labels,
        fraction=settings.fraction,
        multilevel=settings.multilevel,
        seed=settings.seed,
    )


def shift_sampler(context: FitContext) -> FitResult:
    """Make a sampler by the recipe of arXiv 2012.04842.

    For each cell with a positive target, codes of the prior are shifted to the cell's side of every
    hyperplane, and a Gaussian mixture is fitted to them. Cells are requested in the shares of the
    target.

    Raises
    ------
    InsufficientLabelsError
        When a level has too few labelled codes for its hyperplane.
    """
    settings, target = context.settings, context.target
    cells = target.grid.size
    mixtures: list[Mixture | None] = []
    shift: list[ShiftInfo | None] = []
    for k, share in enumerate(target.shares):
        context.execution.progress("shift", k, cells)
        if share == 0:
            mixtures.append(None)
            shift.append(None)
            continue
        shifted = shift_codes(
            context.generator.prior,
            context.directions,
            k,
            distance=settings.distance,
            per_cell=settings.per_cell,
            keep_norm=settings.keep_norm,
            seed=settings.seed,
        )
        mixtures.append(fit_mixture(shifted.codes, settings.components, seed=settings.seed))
        shift.append(shifted.shift)
    context.execution.progress("shift", cells, cells)
    sampler = context.sampler(MixtureSource(tuple(mixtures)), target.shares)
    return FitResult(sampler, shift=tuple(shift))


def shift_calibrated_sampler(context: FitContext) -> FitResult:
    """Run the recipe of arXiv 2012.04842, then calibrate how often cells are requested."""
    fitted = shift_sampler(context)
    sampler, _ = calibrated(context, fitted.sampler.source)
    return FitResult(sampler, shift=fitted.shift)


def tilt_sampler(context: FitContext) -> FitResult:
    """Tilt the prior by what labels show; cells are requested as held-out labels ask for."""
    tilt = context.tilt
    fit = tilt.fit
    sampler = context.sampler(fit.source, fit.calibration.weights, fit.verified)
    return FitResult(sampler, tilt=tilt.info(context.settings, fit.calibration))


def mixture_sampler(context: FitContext) -> FitResult:
    """Make a sampler of one Gaussian mixture per cell, fitted to verified draws of the tilt.

    This is the last step of arXiv 2012.04842, on codes of the tilt instead of shifted ones. The
    sampler is compact, draws codes without the generator, and has a density. Its codes only
    approximate those of the prior.

    Raises
    ------
    InsufficientLabelsError
        As for `tilt_sampler`.
    """
    target, settings = context.target, context.settings
    even = _even(context, context.tilt.fit.source)
    # Codes of the thresholds, which stand for themselves: a mixture takes no weights.
    modes = [mode.faithful for mode in context.tilt.fit.verified]
    drawn, _ = gather_latents(
        verified(
            even,
            context.models,
            exact_counts(Target(target.grid, even.weights), settings.mixture_n),
            settings.seed,
            faithful=next(mode for mode in modes if mode not in (EXACT, TYPICAL)),
            execution=context.execution,
        )
    )
    mixtures = tuple(
        fit_mixture(drawn.codes[drawn.requested == k], settings.components, seed=settings.seed)
        if share
        else None
        for k, share in enumerate(target.shares)
    )
    sampler, calibration = calibrated(context, MixtureSource(mixtures))
    return FitResult(sampler, tilt=context.tilt.info(context.settings, calibration))


def _even(context: FitContext, source: LatentSource) -> Sampler:
    """Return the sampler that requests all cells with a positive target equally often."""
    return context.sampler(source, context.target.shares).even


def calibrated(context: FitContext, source: LatentSource) -> tuple[Sampler, Calibration]:
    """Measure the confusion of a source on `calibration_n` fresh draws, and set request rates."""
    settings, target, even = context.settings, context.target, _even(context, source)
    drawn = label_draws(
        even,
        context.models,
        settings.calibration_n,
        child_seed(settings.seed, Stream.CALIBRATION_DRAWS),
        context.draws_folder(even.digest, "calibrate"),
        stage="calibrate",
        execution=context.execution,
    )
    calibration = calibrate_counts(drawn.confusion, target, settings.seed)
    return context.sampler(source, calibration.weights), calibration


def fit(method: str, context: FitContext) -> FitResult:
    """Fit a method by its name, one of `equipoise.core.settings.METHODS`.

    The function `NAME_sampler` of this module fits the method NAME, with _ for -.

    Raises
    ------
    InsufficientLabelsError
        When the target wants a level, or of the tilt a cell, that no labelled image has: before
        anything is spent on it.
    """
    check_levels(context.labels, context.target)
    function: Callable[[FitContext], FitResult] = globals()[f"{method.replace('-', '_')}_sampler"]
    return function(context)

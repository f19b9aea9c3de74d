"""The methods: each makes a sampler from labelled codes. `METHODS` has them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from equipoise.classifiers.models import Models
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.settings import Settings
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.labelling.draws import label_draws
from equipoise.methods.calibration import Calibration, calibrate
from equipoise.methods.shift.directions import fit_directions
from equipoise.methods.shift.hyperplanes import Directions
from equipoise.methods.shift.shift import ShiftInfo, shift_codes
from equipoise.methods.tilt.directed_labels import LabellingInfo, label_adaptively
from equipoise.methods.tilt.fit import FrontierPoint, TiltFit, fit_tilt
from equipoise.methods.tilt.fit_latent import LatentClassifierInfo, fit_latent
from equipoise.samplers.draw import exact_counts, gather_codes, verified
from equipoise.samplers.mixture import Mixture, MixtureSource, fit_mixture
from equipoise.samplers.sampler import GeneratorRef, LatentSource, Sampler


@dataclass(frozen=True, eq=False)
class TiltInfo:
    """How a tilt was fitted.

    Attributes
    ----------
    labelling : LabellingInfo
        How the labels were spent.
    latent : LatentClassifierInfo
        Quality of the latent classifier.
    frontier : tuple of FrontierPoint
        Purity, cost and faithfulness for each sharpness that was tried.
    beta : float
        The sharpness that is used, above 0.
    acceptance : tuple of float
        For each cell the share of the prior's codes that it accepts, in [0, 1].
    calibration : Calibration
    """

    labelling: LabellingInfo
    latent: LatentClassifierInfo
    frontier: tuple[FrontierPoint, ...]
    beta: float
    acceptance: tuple[float, ...]
    calibration: Calibration


@dataclass(frozen=True, eq=False)
class UncalibratedTilt:
    """A tilt before its calibration, with the quality of what it was fitted on."""

    labelling: LabellingInfo
    latent: LatentClassifierInfo
    fit: TiltFit

    def account(self, calibration: Calibration) -> TiltInfo:
        """Return the full account of the fit, given the calibration of its draws."""
        source = self.fit.source
        return TiltInfo(
            self.labelling,
            self.latent,
            self.fit.frontier,
            source.tilt.beta,
            tuple(np.asarray(source.acceptance).tolist()),
            calibration,
        )


@dataclass(frozen=True, eq=False)
class FitResult:
    """A sampler, and how it was fitted.

    Attributes
    ----------
    sampler : Sampler
    shift : tuple of (ShiftInfo or None), or None
        Shift: how far the codes of each cell moved; None for a cell with target 0.
    tilt : TiltInfo or None
        Tilt and mixture: labels, latent classifier, frontier and calibration.
    """

    sampler: Sampler
    shift: tuple[ShiftInfo | None, ...] | None = None
    tilt: TiltInfo | None = None


@dataclass(frozen=True, eq=False)
class FitContext:
    """What every method is given.

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
    draws_folder: Callable[[str, str], Path]
    execution: Execution = Execution()

    @property
    def generator(self) -> Generator:
        """The generator to balance."""
        return self.models.generator

    @cached_property
    def directions(self) -> Directions:
        """Hyperplanes of all attributes, fitted at the first access. Tilting needs none."""
        return label_directions(self.generator, self.labels, self.settings)

    @cached_property
    def tilt(self) -> UncalibratedTilt:
        """The tilt of the prior, fitted at the first access. Further codes are labelled for it."""
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
        known, seed = labelled.codes, settings.seed
        latent = fit_latent(generator.stem, known, seed=seed, progress=self.execution.progress)
        fit = fit_tilt(generator, latent, known, self.target, beta=settings.beta, seed=seed)
        return UncalibratedTilt(labelled.account, latent.quality, fit)


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
    source = MixtureSource(tuple(mixtures))
    sampler = Sampler(
        GeneratorRef.of(context.generator),
        target,
        target.shares,
        source,
        settings.to_dict(),
        context.models.panel.digest,
    )
    return FitResult(sampler, shift=tuple(shift))


def tilt_sampler(context: FitContext) -> FitResult:
    """Make a sampler by tilting: label further codes, fit the tilt, calibrate the request weights.

    The confusion matrix is measured on fresh draws, about equally many for each cell with a
    positive target.

    Raises
    ------
    InsufficientLabelsError
        When a cell has too few labelled codes, or its requests gave no known image.
    """
    sampler, calibration = _calibrated(context, context.tilt.fit.source)
    return FitResult(sampler, tilt=context.tilt.account(calibration))


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
    codes, cells, _ = gather_codes(
        verified(
            even,
            context.models,
            exact_counts(Target(target.grid, even.weights), settings.mixture_n),
            settings.seed,
            execution=context.execution,
        )
    )
    mixtures = tuple(
        fit_mixture(codes[cells == k], settings.components, seed=settings.seed) if share else None
        for k, share in enumerate(target.shares)
    )
    sampler, calibration = _calibrated(context, MixtureSource(mixtures))
    return FitResult(sampler, tilt=context.tilt.account(calibration))


def _even(context: FitContext, source: LatentSource) -> Sampler:
    """Return the sampler that requests all cells with a positive target equally often."""
    target = context.target
    return Sampler(GeneratorRef.of(context.generator), target, target.shares, source).even


def _calibrated(context: FitContext, source: LatentSource) -> tuple[Sampler, Calibration]:
    """Measure the confusion matrix of a source on fresh draws, and set the request weights."""
    settings, target, even = context.settings, context.target, _even(context, source)
    drawn = label_draws(
        even,
        context.models,
        settings.calibrate_n,
        child_seed(settings.seed, Stream.CALIBRATION_DRAWS),
        context.draws_folder(even.digest, "calibrate"),
        stage="calibrate",
        execution=context.execution,
    )
    calibration = calibrate(drawn.confusion, target, settings.seed)
    sampler = Sampler(
        even.generator,
        target,
        calibration.weights,
        source,
        settings.to_dict(),
        context.models.panel.digest,
    )
    return sampler, calibration


METHODS: dict[str, Callable[[FitContext], FitResult]] = {
    "tilt": tilt_sampler,
    "mixture": mixture_sampler,
    "shift": shift_sampler,
}
"""The methods by name; the names are those of `equipoise.core.settings.METHODS`."""

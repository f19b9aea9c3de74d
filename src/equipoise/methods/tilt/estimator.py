"""Tilted sampling as one object: fitted to labelled codes, it draws and saves."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError
from equipoise.core.labels import LabelledCodes, Labels
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.methods.tilt.cost import measured_stage_cost
from equipoise.methods.tilt.fit import TiltFit, fit_tilt
from equipoise.methods.tilt.fit_latent import LatentFit, fit_latent
from equipoise.methods.tilt.rules import FAITHFUL
from equipoise.samplers.file import save_sampler
from equipoise.samplers.sampler import GeneratorRef, LatentBatch, Sampler


class TiltedSampler:
    """Draws codes of a wanted mix, by a tilt of the prior of a generator.

    Parameters
    ----------
    generator : Generator
        Its prior gives the candidates, and its first stage the features.
    target : Target, optional
        The wanted mix; uniform over the cells of the labels by default.
    faithful : float, "exact" or "typical"
        Of verified draws, as for `equipoise.methods.tilt.fit.fit_tilt`.
    seed : int
        Of the fit, in [0, 2**63).
    execution : Execution
        Threads and progress. Results do not depend on it.

    Attributes
    ----------
    sampler_ : Sampler
        After `fit`: draws for ever; `equipoise.verified` takes it.
    latent_ : LatentFit
        After `fit`: the latent classifier, and what it says of the labelled codes, held out.
    fit_ : TiltFit
        After `fit`: rules of acceptance, calibration, and statements of what draws are.

    Examples
    --------
    >>> from equipoise.classifiers import open_panel
    >>> from equipoise.generators.toy import ToyGenerator
    >>> toy = ToyGenerator()
    >>> codes = toy.prior.codes(seed=0, start=0, stop=1500)
    >>> labels = open_panel(["smiling"], toy).predict(toy.images(codes))
    >>> sampler = TiltedSampler(toy).fit(codes, labels)
    >>> sampler.draw(4, seed=1).codes.shape[0]
    4
    """

    def __init__(
        self,
        generator: Generator,
        target: Target | None = None,
        *,
        faithful: float | str = FAITHFUL,
        seed: int = 0,
        execution: Execution = Execution(),
    ) -> None:
        self.generator = generator
        self.target = target
        self.faithful = faithful
        self.seed = seed
        self.execution = execution

    def fit(
        self,
        codes: NDArray[np.float32],
        labels: Labels,
        weights: NDArray[np.float64] | None = None,
        *,
        models: Models | None = None,
    ) -> Self:
        """Fit to labelled codes.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32
        labels : Labels
            Of their images.
        weights : numpy.ndarray, shape (n,), float64, optional
            Density of the prior over that of the source of each code, where the codes are not
            those of the prior; up to a common factor.
        models : Models, optional
            The generator with the classifiers that labelled. With them, the cost of candidates is
            measured, and counted in what is stated.

        Raises
        ------
        InputError
            When the numbers of codes, labels and weights differ, or the target has other cells.
        InsufficientLabelsError
            When labels are too few.
        """
        own = np.ones(len(codes)) if weights is None else np.asarray(weights, np.float64)
        if not len(codes) == len(labels) == len(own):
            raise InputError(
                "labels",
                "must be as many as codes, and weights too",
                f"{len(codes)} codes, {len(labels)} labels, {len(own)} weights",
                "Give one label for each code.",
            )
        target = self.target or Target.uniform(labels.grid)
        if target.grid != labels.grid:
            raise InputError(
                "target",
                f"must have the cells of the labels, {', '.join(labels.grid.names)}",
                ", ".join(target.grid.names),
                "Make the target for the grid of the labels.",
            )
        labelled = LabelledCodes(codes, labels, own)
        self.latent_: LatentFit = fit_latent(
            self.generator.stem, labelled, seed=self.seed, execution=self.execution
        )
        classifier = self.latent_.classifier
        self.fit_: TiltFit = fit_tilt(
            self.generator,
            self.latent_,
            labelled,
            target,
            faithful=self.faithful,
            stage_cost=measured_stage_cost(models, classifier, self.seed) if models else 0.0,
            seed=self.seed,
            execution=self.execution,
        )
        self.sampler_ = Sampler(
            GeneratorRef.of(self.generator),
            target,
            self.fit_.calibration.weights,
            self.fit_.source,
            statements=self.fit_.verified,
        )
        return self

    def draw(self, n: int, seed: int = 0, *, cell: str | None = None) -> LatentBatch:
        """Draw n codes one-shot, as `Sampler.draw` does."""
        return self._fitted().draw(n, seed, cell=cell)

    def save(self, path: Path | str) -> None:
        """Write the sampler to a file, which `equipoise.load_sampler` reads."""
        save_sampler(self._fitted(), path)

    def _fitted(self) -> Sampler:
        if not hasattr(self, "sampler_"):
            raise InputError(
                "TiltedSampler", "must be fitted first", "not fitted", "Call fit(codes, labels)."
            )
        return self.sampler_

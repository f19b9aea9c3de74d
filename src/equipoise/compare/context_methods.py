"""Ways to a wanted mix within every context, from one case to the images that they deliver.

Prompts as they are, prompt edits alone, the best of several images by the classifier, and
calibrated requests, verified or not, with early refusal or without. What is learnt is learnt from
the same number of labelled images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.context_targets import ContextTargets
from equipoise.core.errors import InsufficientLabelsError
from equipoise.core.estimates import Estimate
from equipoise.core.labels import Labels, concatenate
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.core.targets import Target
from equipoise.generators.base import Prompted, Staged
from equipoise.methods.context_draws import draw_contexts
from equipoise.methods.context_proposals import (
    ContextRequests,
    VariantLabels,
    label_variants,
    request_edits,
    request_prompts,
)
from equipoise.methods.context_rates import calibrate_contexts
from equipoise.methods.context_refusal import EarlyRefusal, fit_refusal, passing_share
from equipoise.samplers.verified import exact_counts

BEST_OF = (4, 16)
"""Images of which the best is kept; chosen by hand."""

CLEAR = 0.5
"""Probability of a missing cell from which on a candidate goes on, without calibration."""

_FRESH = 1000
"""Fresh images of a context, at most, from which the faithfulness of a refusal is computed."""

_TRUE = Estimate(1.0)
"""Faithfulness of images of the prompt that nothing but the classifier chooses."""


@dataclass(frozen=True, eq=False)
class ContextOutcome:
    """The images that a method delivers, and their cost.

    Attributes
    ----------
    contexts : numpy.ndarray, shape (m,), int64
        Number of the context of each image.
    labels : Labels
        Of the m images.
    calls : float
        Generator calls of all of them, with refused candidates.
    faithfulness : Estimate
        Of the cells that come of the prompts themselves; missing where none does.
    learnt : int
        Labels that the method learns from.
    states : float
        Calls of the states of labelled images that are made again, at most.
    """

    contexts: NDArray[np.int64]
    labels: Labels
    calls: float
    faithfulness: Estimate
    learnt: int = 0
    states: float = 0.0


@dataclass(frozen=True, eq=False)
class ContextCase:
    """One generator with contexts, and what every method is given.

    Attributes
    ----------
    models : Models
        A `Prompted` generator, and the panel.
    wanted : ContextTargets
        Within every context, or within each.
    n : int
        Labels that a method may learn from.
    images : int
        Images of each context that a method delivers.
    seed : int
    folder : Path
        Keeps labels.
    execution : Execution
    """

    models: Models
    wanted: ContextTargets
    n: int
    images: int
    seed: int
    folder: Path
    execution: Execution = Execution()
    _kept: dict[str, VariantLabels] = field(default_factory=dict)
    _refusals: dict[str, EarlyRefusal | None] = field(default_factory=dict)

    @property
    def generator(self) -> Prompted:
        """The generator."""
        found = self.models.generator
        assert isinstance(found, Prompted)
        return found

    @property
    def targets(self) -> tuple[Target, ...]:
        """The target of each context."""
        return self.wanted.of(self.generator.contexts)

    @property
    def edited(self) -> bool:
        """Whether there is an edit for every cell."""
        grid = self.models.panel.grid
        return {grid.index(edit) for edit in self.generator.edits} == set(range(grid.size))

    def labels(self, proposals: str) -> VariantLabels:
        """Return n labelled images of the variants that proposals are made by."""
        return self._labelled(proposals, self.n, self.seed, proposals)

    def candidates(self) -> VariantLabels:
        """Return fresh labelled images of the prompts: of each `max(BEST_OF)` times `images`."""
        n = self.images * max(BEST_OF) * len(self.generator.contexts)
        return self._labelled("candidates", n, child_seed(self.seed, Stream.COMPARED_CANDIDATES))

    def _labelled(self, name: str, n: int, seed: int, proposals: str = "prompt") -> VariantLabels:
        if name not in self._kept:
            self._kept[name] = label_variants(
                self.models, n, seed, self.folder / name, proposals, execution=self.execution
            )
        return self._kept[name]

    def requests(self, proposals: str) -> ContextRequests:
        """Return the requests of images by the prompts themselves, or by "both"."""
        labels, names = self.labels(proposals), self.generator.contexts
        return request_prompts(labels, names, self.targets, self.images, proposals)

    def refusal(self, proposals: str) -> EarlyRefusal | None:
        """Return when candidates for these requests are refused, learnt once."""
        if proposals not in self._refusals:
            given = self.generator, self.labels(proposals), self.requests(proposals)
            self._refusals[proposals] = fit_refusal(
                *given, seed=self.seed, execution=self.execution
            )
        return self._refusals[proposals]

    def draw(
        self,
        requests: ContextRequests,
        faithfulness: Estimate,
        *,
        learnt: bool = True,
        refusal: EarlyRefusal | None = None,
    ) -> ContextOutcome:
        """Draw what is requested."""
        seed = child_seed(self.seed, Stream.COMPARED_WAYS)
        contexts, labels, calls = drawn(self.models, requests, seed, refusal, self.execution)
        again = 0.0 if refusal is None else self.n * refusal.stage / refusal.steps
        return ContextOutcome(contexts, labels, calls, faithfulness, learnt * self.n, again)


Method = Callable[[ContextCase], ContextOutcome]


def drawn(
    models: Models,
    requests: ContextRequests,
    seed: int,
    refusal: EarlyRefusal | None = None,
    execution: Execution = Execution(),
) -> tuple[NDArray[np.int64], Labels, float]:
    """Return the context and the labels of each image drawn, and the calls of all of them."""
    parts = [
        (part.contexts, part.labels, part.calls.sum())
        for part in draw_contexts(models, requests, seed, refusal=refusal, execution=execution)
    ]
    contexts, labels, calls = zip(*parts, strict=True)
    return np.concatenate(contexts), concatenate(labels), float(sum(calls))


def best_of(often: int) -> Method:
    """Return a method: of several images of the prompt, the first of a wanted cell.

    Cells are wanted in the target's counts. Where no image is of the wanted cell, the first image
    is kept. So the best of 1 are the prompts as they are.

    Parameters
    ----------
    often : int
        Images of which one is kept, at most `max(BEST_OF)`.
    """

    def run(case: ContextCase) -> ContextOutcome:
        found, sets = case.candidates(), len(case.targets)
        cells = found.labels.cells.reshape(case.images, -1, sets)[:, :often]
        counts = [exact_counts(target, case.images) for target in case.targets]
        wanted = np.stack([np.repeat(np.arange(len(one)), one) for one in counts], axis=1)
        first = (cells == wanted[:, None]).argmax(axis=1)
        turns = np.arange(case.images)[:, None] * max(BEST_OF) + first
        rows = (turns * sets + np.arange(sets)).ravel()
        contexts = np.tile(np.arange(sets), case.images)
        return ContextOutcome(contexts, found.labels.take(rows), often * len(rows), _TRUE)

    return run


def edits_alone(case: ContextCase) -> ContextOutcome:
    """Request every cell by its edit in the target's shares, without labels."""
    counts = np.array([exact_counts(target, case.images) for target in case.targets])
    blind = ContextRequests(counts, False, np.zeros(counts.shape, bool), np.ones(counts.shape))
    return case.draw(blind, _undefined(), learnt=False)


def edits_calibrated(case: ContextCase, *, verify: bool) -> ContextOutcome:
    """Request cells by edits, as often as labels say; or keep only what is as requested."""
    rates = calibrate_contexts(case.labels("edits").of_edits(), case.targets, case.seed)
    requests = request_edits(rates, case.targets, case.images, verified=verify)
    return case.draw(requests, _undefined())


def by_prompts(case: ContextCase, *, proposals: str) -> ContextOutcome:
    """Draw the prompts until images are of the missing cells; for "both", edits for rare cells."""
    return case.draw(case.requests(proposals), _TRUE)


def refused_early(case: ContextCase, *, proposals: str, calibrate: bool) -> ContextOutcome:
    """Do the same, and refuse candidates half-way."""
    generator, requests = case.generator, case.requests(proposals)
    refusal = case.refusal(proposals)
    if refusal is None:
        stops = isinstance(generator, Staged) and generator.stage
        raise InsufficientLabelsError(
            "candidates that could be refused",
            "must cost more than the states of the labelled images",
            f"less, with {case.images:,} images a context" if stops else "no stage to refuse at",
            "Raise --measure-n, or use a generator that stops half-way.",
        )
    used = refusal if calibrate else uncalibrated(refusal, requests)
    sets = len(case.targets)
    fresh = case.candidates()
    few = fresh.take(np.arange(len(fresh.contexts)) < _FRESH * sets)
    return case.draw(requests, passing_share(used, generator, few, requests), refusal=used)


def uncalibrated(refusal: EarlyRefusal, requests: ContextRequests) -> EarlyRefusal:
    """Return the same latent classifier, with `CLEAR` as threshold of every cell of a prompt."""
    least = np.where(requests.by_prompt, np.log(CLEAR), -np.inf)
    return replace(refusal, of_prompts=least, of_edits=np.full(least.shape, -np.inf))


def _undefined() -> Estimate:
    return Estimate.missing("edits change what the model means by a prompt")


_BY_EDITS: dict[str, Method] = {
    "edits alone": edits_alone,
    "edits, calibrated": partial(edits_calibrated, verify=False),
    "edits, verified": partial(edits_calibrated, verify=True),
}


def _verified(name: str, proposals: str) -> dict[str, Method]:
    refuse = partial(refused_early, proposals=proposals)
    return {
        f"{name}, verified": partial(by_prompts, proposals=proposals),
        f"{name}, early refusal": partial(refuse, calibrate=True),
        f"{name}, early refusal without calibration": partial(refuse, calibrate=False),
    }


METHODS: Mapping[str, Method] = {
    "prompts as they are": best_of(1),
    **{f"best of {often} by classifier": best_of(often) for often in BEST_OF},
    **_BY_EDITS,
    **_verified("prompts", "prompt"),
    **_verified("prompts and edits", "both"),
}
"""All methods by name, in the order of the table."""

WITH_EDITS = frozenset({*_BY_EDITS, *_verified("prompts and edits", "both")})
"""Methods that need an edit for every cell."""

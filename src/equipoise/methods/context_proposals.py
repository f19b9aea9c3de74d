"""Which variant of a prompt is drawn for a cell: the prompt itself, or an edit that names the cell.

Images of the prompt, classified until one is of the cell, are the generator's own of that cell.
An edit reaches cells that the prompt seldom gives, but changes what the model means by the prompt.
Images of the variants are labelled, and images of every context are requested by what came out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.context_targets import Targets, each_of
from equipoise.core.errors import InputError, InsufficientLabelsError, Listed
from equipoise.core.folders import Folder
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.core.targets import Target
from equipoise.generators.base import Generator, Prompted
from equipoise.labelling.collect import label_codes
from equipoise.labelling.shards import Codes, CodeSource
from equipoise.measure.contexts import AbsentCell
from equipoise.methods.context_rates import ContextCalibration, count_by_context
from equipoise.samplers.statements import ATTEMPTS
from equipoise.samplers.verified import exact_counts
from equipoise.stats.intervals import exact_interval

PROPOSALS = ("edits", "prompt", "both")
"""What images are drawn by: edits alone, prompts alone, or edits where prompts seldom give a
cell."""

BY_PROMPT = -1
"""Stands for a requested cell where the prompt itself is drawn."""

_OWN_SHARE = 0.05
"""Share of a prompt's labelled images from which on "both" draws a cell by it; chosen by hand."""

_OWN_IMAGES = 3
"""Labelled images of the cell that it needs at least, so that one by chance is not taken for a
share; chosen by hand."""

_LABELS = {
    "edits": "label edits",
    "prompt": "label prompts",
    "both": "label prompts and edits",
}


@dataclass(frozen=True, eq=False)
class VariantLabels:
    """Labels of images of all variants in turn.

    Attributes
    ----------
    contexts, requested : numpy.ndarray, shape (n,), int64
        Context of each image, and the cell that its edit asks for; -1 for the prompt itself.
    labels : Labels
    codes : callable
        Codes of the images, by first row and that after the last.
    sets : int
        Number C of contexts.
    """

    contexts: NDArray[np.int64]
    requested: NDArray[np.int64]
    labels: Labels
    codes: Codes
    sets: int

    def take(self, rows: NDArray[np.bool_]) -> VariantLabels:
        """Return the labels of some rows; `codes` stays that of all."""
        return replace(
            self,
            contexts=self.contexts[rows],
            requested=self.requested[rows],
            labels=self.labels.take(rows),
        )

    def of_edits(self) -> NDArray[np.int64]:
        """Return what came out of edits, shape (C, K, K + 1), the last column unknown."""
        rows = self.requested != BY_PROMPT
        shape = self.sets, self.labels.grid.size
        return count_by_context(
            self.contexts[rows], self.requested[rows], self.labels.cells[rows], shape
        )

    def of_prompts(self) -> NDArray[np.int64]:
        """Return what came out of the prompts themselves, shape (C, K + 1)."""
        rows = self.requested == BY_PROMPT
        found = np.zeros((self.sets, self.labels.grid.size + 1), np.int64)
        np.add.at(found, (self.contexts[rows], self.labels.cells[rows]), 1)
        return found


@dataclass(frozen=True, eq=False)
class ContextRequests:
    """Images to draw of every context, and by what.

    Attributes
    ----------
    counts : numpy.ndarray, shape (C, K), int64
        Images requested of each cell.
    verified : bool
        Keep only images that the panel sees as requested.
    by_prompt : numpy.ndarray, shape (C, K), bool
        Whether the prompt itself is drawn until images are of the cell; its edit otherwise.
    purity : numpy.ndarray, shape (C, K), float64
        Expected share of what is drawn for a cell that is of it.
    """

    counts: NDArray[np.int64]
    verified: bool
    by_prompt: NDArray[np.bool_]
    purity: NDArray[np.float64]


def check_prompted(
    generator: Generator, grid: AttributeGrid, proposals: str = "edits"
) -> tuple[Prompted, NDArray[np.int64]]:
    """Return the generator, and the variant that asks for each cell, shape (K,).

    Raises
    ------
    InputError
        When it has no contexts, there are no such proposals, or edits are wanted and there is none
        for some cell.
    """
    if proposals not in PROPOSALS:
        rule = f"must be one of {', '.join(PROPOSALS)}"
        raise InputError("proposals", rule, proposals, "Correct it.")
    if not isinstance(generator, Prompted):
        rule = "must have contexts, as toy-text, diffusers-text: and StyleGAN's classes have"
        raise InputError("generator", rule, generator.name, "Balance it by `equipoise balance`.")
    variants = np.zeros(grid.size, np.int64)
    if proposals == "prompt":
        return generator, variants
    for number, edit in enumerate(generator.edits, 1):
        variants[grid.index(edit)] = number
    if missing := [grid.cells[k] for k in np.flatnonzero(variants == 0)]:
        raise InputError(
            f"edits of generator {generator.name!r}",
            "must be one for each cell",
            Listed(f"none for {cell}" for cell in missing),
            "Add rows with that cell to the list of prompts, name other attributes, or pass "
            "--proposals prompt.",
        )
    return generator, variants


def label_variants(
    models: Models,
    n: int,
    seed: int,
    folder: Path | str | Folder,
    proposals: str = "edits",
    *,
    execution: Execution = Execution(),
) -> VariantLabels:
    """Label n images of the variants that proposals are made by, in turn over contexts.

    Parameters
    ----------
    models : Models
        A `Prompted` generator, and the panel.
    n : int
        Images, at least one for each context and variant.
    seed : int
        Of the noise.
    folder : Path, str or Folder
        Keeps the labels; a stopped call continues there.
    proposals : str
        One of `PROPOSALS`.
    execution : Execution

    Raises
    ------
    InputError
        When n is too small, or an edit is missing.
    """
    grid = models.panel.grid
    generator, variants = check_prompted(models.generator, grid, proposals)
    contexts = len(generator.contexts)
    asked = check_labels(n, contexts, grid, proposals)

    def placed(start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        turn, context = np.divmod(np.arange(start, stop), contexts)
        return context, asked[turn % len(asked)]

    def codes(start: int, stop: int) -> NDArray[np.float32]:
        context, requested = placed(start, stop)
        found = generator.prior.codes(seed, start, stop)
        found[:, -2], found[:, -1] = context, np.where(requested < 0, 0, variants[requested])
        return found

    stage = _LABELS[proposals]
    source = CodeSource(f"{stage[6:]} of contexts, seed {seed}", codes)
    table = label_codes(models, source, n, folder, stage=stage, execution=execution)
    every = placed(0, n)

    return VariantLabels(*every, table.labels(), codes, contexts)


def check_labels(n: int, contexts: int, grid: AttributeGrid, proposals: str) -> NDArray[np.int64]:
    """Return what is labelled of each context in turn: cells of edits, -1 for the prompt itself.

    Raises
    ------
    InputError
        When n images are fewer than one of each.
    """
    cells = [] if proposals == "prompt" else list(range(grid.size))
    asked = np.array(cells + [BY_PROMPT] * (proposals != "edits"))
    if n < contexts * len(asked):
        each = {"edits": "cell", "prompt": "prompt", "both": "cell and prompt"}[proposals]
        rule = f"must be at least {contexts * len(asked):,}, one for each context and {each}"
        raise InputError("n", rule, n, "Raise it: 20 times that gives good rates.")
    return asked


def request_edits(
    rates: ContextCalibration, targets: Targets, n: int, *, verified: bool = False
) -> ContextRequests:
    """Request n images of each context by edits: as rates say, or as its target if verified."""
    every = each_of(targets, len(rates.contexts))
    if not verified:
        pairs = zip(every, rates.contexts, strict=True)
        every = tuple(Target(target.grid, one.weights) for target, one in pairs)
    counts = np.array([exact_counts(one, n) for one in every])
    purity = np.array([one.purity for one in rates.contexts])
    return ContextRequests(counts, verified, np.zeros(counts.shape, bool), purity)


def request_prompts(
    labels: VariantLabels, names: tuple[str, ...], targets: Targets, n: int, proposals: str
) -> ContextRequests:
    """Request n verified images of each context, by the prompt itself where that gives the cell.

    Parameters
    ----------
    labels : VariantLabels
        Of prompts; of edits too for "both".
    names : tuple of str
        Of the contexts.
    targets : Target or sequence of Target
        What the images of each context have exactly.
    n : int
        Images of each context.
    proposals : str
        "prompt", or "both": by the prompt where .05 of its labelled images, and three at least, are
        of the cell.

    Raises
    ------
    InsufficientLabelsError
        When a prompt surely gives a wanted cell too seldom, and there are no edits; the error names
        both, and what would be needed.
    """
    found = labels.of_prompts()
    counts = np.array([exact_counts(one, n) for one in each_of(targets, labels.sets)])
    images = found.sum(axis=1, keepdims=True)
    own = (found[:, :-1] + 0.5) / (images + found.shape[1] / 2)
    if proposals == "both":
        by_prompt = found[:, :-1] >= np.maximum(_OWN_SHARE * images, _OWN_IMAGES)
        edited = labels.of_edits()
        hits = np.diagonal(edited[:, :, :-1], axis1=1, axis2=2)
        purity = (hits + 0.5) / (edited.sum(axis=2) + 1)
        return ContextRequests(counts, True, by_prompt, np.where(by_prompt, own, purity))
    lacking = []
    for c, k in np.argwhere(counts > 0):
        most = exact_interval(int(found[c, k]), int(images[c, 0]))[1]
        if most * ATTEMPTS < 1:
            cell = labels.labels.grid.cells[k]
            lacking.append(f"{names[c]}: {cell}, at least {1 / most:,.0f} images for one")
    if lacking:
        raise InsufficientLabelsError(
            "cells of prompts",
            f"must come of the prompt itself within {ATTEMPTS} images",
            Listed(lacking),
            "Pass --proposals both: edits reach cells that noise does not.",
        )
    return ContextRequests(counts, True, np.ones(counts.shape, bool), own)


def never_seen(
    labels: VariantLabels, names: tuple[str, ...], requests: ContextRequests, targets: Targets
) -> tuple[AbsentCell, ...]:
    """Return the wanted cells of which no labelled image of a context is, with what they need.

    Their largest plausible share, and so the calls, are those of images of the proposal that is
    drawn for them.

    Parameters
    ----------
    labels : VariantLabels
    names : tuple of str
        Of the contexts.
    requests : ContextRequests
    targets : Target or sequence of Target
    """
    edited, own = labels.of_edits()[:, :, :-1], labels.of_prompts()[:, :-1]
    images = np.where(requests.by_prompt, own.sum(axis=1, keepdims=True), edited.sum(axis=2))
    wanted = np.array([one.shares > 0 for one in each_of(targets, labels.sets)])
    found = []
    for c, k in np.argwhere(wanted & (edited.sum(axis=1) + own == 0)):
        n = int(images[c, k])
        most = exact_interval(0, n)[1] if n else 1.0
        cell = labels.labels.grid.cells[k]
        found.append(AbsentCell(context=names[c], cell=cell, n=n, most=most, calls=1 / most))
    return tuple(found)

"""Candidates of verified draws that are refused half-way, by what a latent classifier sees there.

The generator stops after its first steps, and the classifier reads the guess at the clean latent.
It is learnt from the labels that requests follow from. A candidate for a cell goes on where its
probability reaches a threshold, set by labelled candidates and networks that have not seen them: of
prompts so that a given part of the wanted images passes, and of edits so that it costs least. Every
candidate is a draw of its own, so kept images are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, logit

from equipoise.core.estimates import Estimate
from equipoise.core.labels import LabelledCodes
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.records import to_json
from equipoise.generators.base import Generator, Staged
from equipoise.methods.context_proposals import BY_PROMPT, ContextRequests, VariantLabels
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.stats.intervals import effective_interval
from equipoise.stats.shares import effective_number

MEMBERS = 0.99
"""Part of the wanted images of prompts that is to pass (docs/decisions/0025)."""

_TINY = 1e-9
"""Least probability, and least distance from 1, that odds are made of."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EarlyRefusal:
    """When candidates are refused, and what that costs.

    Attributes
    ----------
    classifier : LatentClassifier
    stage, steps : int
        Steps before a candidate is read, and all steps.
    of_prompts, of_edits : numpy.ndarray, shape (C, K), float64
        Least log P(cell | state) with which a candidate for the cell goes on, by proposal: -inf
        where refusing does not pay.
    faithfulness : Estimate
        Part of the prompts' own images of the requested cells that pass: at least as faithful are
        the images kept, on average. Missing where none is requested of a prompt, or labelled.
    by_context : tuple of Estimate
        The same of each context alone.
    """

    classifier: LatentClassifier
    stage: int
    steps: int
    of_prompts: NDArray[np.float64]
    of_edits: NDArray[np.float64]
    faithfulness: Estimate
    by_context: tuple[Estimate, ...]

    def stated(self) -> dict[str, Any]:
        """Return what is stored beside the draws, as JSON values."""
        return {
            "stage": self.stage,
            "steps": self.steps,
            "members": MEMBERS,
            "faithfulness": to_json(self.faithfulness),
        }

    def passes(
        self,
        features: NDArray[np.float32],
        index: NDArray[np.int64],
        contexts: NDArray[np.int64],
        requested: NDArray[np.int64],
        wanted: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Return which candidates go on, shape (m,), bool.

        Parameters
        ----------
        features : numpy.ndarray, shape (m, ...), float32
            As `Staged.begin` returns them.
        index, contexts, requested : numpy.ndarray, shape (m,), int64
            Number of each draw, its context, and the cell that its edit asks for; -1 for a prompt.
        wanted : numpy.ndarray, shape (C, K), bool
            Cells that images of a context's prompt are kept for.
        """
        seen = self.classifier.log_probabilities(features, index % self.classifier.folds)
        cells = np.arange(seen.shape[1])
        own = (requested == BY_PROMPT)[:, None]
        counts = np.where(own, wanted[contexts], requested[:, None] == cells)
        least = np.where(own, self.of_prompts[contexts], self.of_edits[contexts])
        return np.asarray((counts & (seen >= least)).any(axis=1))


def fit_refusal(
    generator: Generator,
    labels: VariantLabels,
    requests: ContextRequests,
    *,
    seed: int = 0,
    execution: Execution = Execution(),
) -> EarlyRefusal | None:
    """Learn when to refuse candidates; None where that cannot pay.

    It cannot where images are not verified, where the generator does not stop half-way, and where
    all refused candidates together cost less than the states of the labelled images, which are made
    again. That is decided for prompts and for edits, and those that pay are learnt from.

    Parameters
    ----------
    generator : Generator
        A `Staged` one, to refuse at its `stage`.
    labels : VariantLabels
        Of its variants.
    requests : ContextRequests
    seed : int
        Of the fit.
    execution : Execution

    Raises
    ------
    InsufficientLabelsError
        When too few labels are known.
    """
    if not (requests.verified and isinstance(generator, Staged) and generator.stage):
        return None
    part = generator.stage / generator.steps
    own = labels.requested == BY_PROMPT
    used = np.zeros(len(own), bool)
    for rows, refused in zip((own, ~own), _refused(requests), strict=True):
        if refused * (1 - part) > rows.sum() * part:
            used |= rows
    if not used.any():
        return None
    codes = labels.codes(0, len(used))[used]
    own, labels = own[used], labels.take(used)
    labelled = LabelledCodes.of_prior(codes, labels.labels)
    fit = fit_latent(generator.stem, labelled, seed=seed, execution=execution)
    seen = fit.held_out.astype(np.float64)
    by_prompt, counts = requests.by_prompt, requests.counts
    prompted, edited = np.where(by_prompt, counts, 0), np.where(by_prompt, 0, counts)
    cells = labels.labels.cells

    def for_prompts(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows, every = np.flatnonzero(own & chosen), np.arange(counts.shape[1])
        trials = np.repeat(rows, len(every)), np.tile(every, len(rows))
        return _thresholds(seen, labels, trials, prompted, part, MEMBERS)

    passed = np.zeros(len(seen), bool)
    for fold in np.unique(fit.folds):  # By thresholds that others have set.
        apart = fit.folds == fold
        least = for_prompts(~apart)[labels.contexts[apart], cells[apart]]
        passed[apart] = seen[apart, cells[apart]] >= least
    trials = np.flatnonzero(~own), labels.requested[~own]
    return EarlyRefusal(
        classifier=fit.classifier,
        stage=generator.stage,
        steps=generator.steps,
        of_prompts=for_prompts(np.ones(len(seen), bool)),
        of_edits=_thresholds(seen, labels, trials, edited, part, None),
        faithfulness=_kept(labels, passed, prompted),
        by_context=tuple(
            _kept(labels.take(rows), passed[rows], prompted)
            for rows in (labels.contexts == c for c in range(labels.sets))
        ),
    )


def _refused(requests: ContextRequests) -> tuple[float, float]:
    """Return how many candidates are expected not to be kept, of prompts and of edits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(requests.counts > 0, requests.counts / requests.purity, 0)
    by_prompt = requests.by_prompt
    own = np.where(by_prompt, needed, 0).max(axis=1).sum() - requests.counts[by_prompt].sum()
    return float(own), float((needed - requests.counts)[~by_prompt].sum())


def _thresholds(
    seen: NDArray[np.float64],
    labels: VariantLabels,
    trials: tuple[NDArray[np.int64], NDArray[np.int64]],
    wanted: NDArray[np.int64],
    part: float,
    kept: float | None,
) -> NDArray[np.float64]:
    """Return the least log-probability that passes in each context and cell, shape (C, K).

    To lose a member costs what finding another takes, which is in proportion to 1 over the cell's
    share among the candidates. So a candidate passes from a multiple of the odds that its cell has
    there, and the multiple is one for all contexts and cells: few candidates of each are enough.

    Parameters
    ----------
    seen : numpy.ndarray, shape (m, K), float64
        Log-probabilities of the cells for labelled candidates, which are calibrated: they average
        to the shares.
    labels : VariantLabels
        Of the m candidates.
    trials : tuple of numpy.ndarray, each shape (t,), int64
        Rows of candidates, and cells that they may be kept for.
    wanted : numpy.ndarray, shape (C, K), int64
        Images that are drawn so.
    part : float
        Cost of reading a candidate, in calls.
    kept : float, optional
        Part of the wanted members that is to pass; by default the one of the least cost.

    Returns
    -------
    numpy.ndarray, shape (C, K), float64
        -inf where refusing does not pay.
    """
    rows, cells = trials
    places = labels.contexts[rows] * wanted.shape[1] + cells
    used = wanted.ravel()[places] > 0
    rows, cells, places = rows[used], cells[used], places[used]
    least = np.full(wanted.shape, -np.inf)
    member = labels.labels.cells[rows] == cells
    if not member.any():
        return least
    often, members = (np.bincount(of, minlength=wanted.size) for of in (places, places[member]))
    chances = np.clip(np.exp(seen[rows, cells]), _TINY, 1 - _TINY)
    share = np.bincount(places, chances, wanted.size) / np.maximum(often, 1)
    usual = logit(share)
    ratios = logit(chances) - usual[places]
    order = np.argsort(ratios)
    # Calls that each place needs without refusal, over its candidates: alike for all of a place.
    calls = (wanted.ravel() / np.maximum(often * share, _TINY))[places]
    going = np.cumsum(calls[order][::-1])[::-1]
    found = np.cumsum((calls * chances / share[places])[order][::-1])[::-1]
    costs = (part * going[0] + (1 - part) * going) / found
    if kept is None:
        first = int(costs.argmin())
    else:
        weights = np.where(member, wanted.ravel()[places] / np.maximum(members, 1)[places], 0)
        lost = np.cumsum(weights[order])
        first = int(np.searchsorted(lost, (1 - kept) * lost[-1], side="right"))
    if round(costs[first], 6) < 1:
        least[share.reshape(least.shape) > 0] = log_expit(usual + ratios[order[first]])[share > 0]
    return least


def passing_share(
    refusal: EarlyRefusal, generator: Generator, labels: VariantLabels, requests: ContextRequests
) -> Estimate:
    """Return the part of fresh images of the prompts that pass, where only their cell is missing.

    Parameters
    ----------
    refusal : EarlyRefusal
    generator : Generator
        The one that it refuses candidates of.
    labels : VariantLabels
        Of images that the refusal was not learnt from, the first ones of their `codes`.
    requests : ContextRequests
        Cells count as often as they are requested of the prompts.
    """
    cells = labels.labels.cells
    passed = np.zeros(len(cells), bool)
    for low, high in batches(0, len(cells), generator.batch_size):
        index, own = np.arange(low, high), cells[low:high]
        seen = refusal.classifier.log_probabilities(
            generator.stem(labels.codes(low, high)), index % refusal.classifier.folds
        )
        least = refusal.of_prompts[labels.contexts[low:high], own]
        passed[low:high] = seen[index - low, own] >= least
    return _kept(labels, passed, np.where(requests.by_prompt, requests.counts, 0))


def _kept(labels: VariantLabels, passed: NDArray[np.bool_], wanted: NDArray[np.int64]) -> Estimate:
    """Return the part of the labelled images of prompts that pass, weighted as cells are wanted."""
    cells = labels.labels.cells
    rows = np.flatnonzero((labels.requested == BY_PROMPT) & (cells >= 0))
    places = labels.contexts[rows] * wanted.shape[1] + cells[rows]
    members = np.bincount(places, minlength=wanted.size)
    weights = (wanted.ravel() / np.maximum(members, 1))[places]
    if not weights.sum():
        return Estimate.missing("no labelled image of a wanted cell")
    share = float(np.average(passed[rows], weights=weights))
    return Estimate(share, *effective_interval(share, effective_number(weights)))

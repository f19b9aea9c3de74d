"""Candidates of verified draws that are refused half-way, by what a latent classifier sees there.

The generator stops after its first steps, and the classifier reads the guess at the clean latent.
It is learnt from the labels that requests follow from. A candidate for a cell goes on where its
probability reaches a threshold, set from the probabilities of labelled candidates, by networks that
have not seen them, so that a given part of the cell's images passes. Every candidate is a draw of
its own, so kept images are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import Estimate
from equipoise.core.labels import LabelledCodes
from equipoise.core.progress import Execution
from equipoise.core.records import to_json
from equipoise.generators.base import Generator, Staged
from equipoise.methods.context_proposals import BY_PROMPT, ContextRequests, VariantLabels
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.samplers.latent_classifier import LatentClassifier
from equipoise.stats.intervals import effective_interval

MEMBERS = 0.99
"""Part of a cell's images that is to pass (docs/decisions/0025)."""

_LEAST_ROWS = 100
"""Labelled candidates of a context and variant from which on it has thresholds of its own; those of
all contexts together are used below. Chosen by hand."""


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
    """

    classifier: LatentClassifier
    stage: int
    steps: int
    of_prompts: NDArray[np.float64]
    of_edits: NDArray[np.float64]
    faithfulness: Estimate

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
    sets, size = requests.counts.shape
    of_prompts, of_edits = np.full((2, sets, size), -np.inf)
    for k in range(size):
        for least, rows in ((of_prompts, own), (of_edits, labels.requested == k)):
            together = np.bincount(labels.contexts[rows], minlength=sets).min() < _LEAST_ROWS
            for c in range(sets):
                chosen = rows if together else rows & (labels.contexts == c)
                if c and together:
                    least[c, k] = least[0, k]
                elif chosen.any():
                    least[c, k] = _threshold(seen[chosen, k], part)
    passed = (seen >= of_prompts[labels.contexts])[np.arange(len(seen)), labels.labels.cells]
    return EarlyRefusal(
        classifier=fit.classifier,
        stage=generator.stage,
        steps=generator.steps,
        of_prompts=of_prompts,
        of_edits=of_edits,
        faithfulness=_kept(labels, passed, np.where(requests.by_prompt, requests.counts, 0)),
    )


def _refused(requests: ContextRequests) -> tuple[float, float]:
    """Return how many candidates are expected not to be kept, of prompts and of edits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(requests.counts > 0, requests.counts / requests.purity, 0)
    by_prompt = requests.by_prompt
    own = np.where(by_prompt, needed, 0).max(axis=1).sum() - requests.counts[by_prompt].sum()
    return float(own), float((needed - requests.counts)[~by_prompt].sum())


def _threshold(seen: NDArray[np.float64], part: float) -> float:
    """Return the least log-probability that passes, -inf where refusing by it does not pay.

    Parameters
    ----------
    seen : numpy.ndarray, shape (m,), float64
        Log-probabilities of a cell for candidates, which are calibrated: they average to its share.
    part : float
        Cost of reading a candidate, in calls.
    """
    ordered = np.sort(seen)[::-1]
    members = np.cumsum(np.exp(ordered))
    last = int(np.searchsorted(members, MEMBERS * members[-1]))
    spent = part * len(seen) + (1 - part) * (last + 1)
    pays = spent / members[last] < len(seen) / members[-1]
    return float(ordered[last]) if pays else -np.inf


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
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return Estimate(share, *effective_interval(share, effective))

"""Directed labelling: part of the labels goes to draws tilted towards the cells that lack them.

Among codes of the prior a rare cell has few labels, and the latent classifier knows it badly. A
round fits a classifier to what is labelled, draws by a tilt towards the cells that lack labels, and
labels those draws. This is adaptive importance sampling (Cappe et al. 2004, "Population Monte
Carlo"): a code counts by the density of the prior over that of the mixture of all sources (Veach
and Guibas 1995, section 3.3), and since the prior is one of them, no weight passes n over the
number of its codes. docs/decisions/0007 has the comparison with as many labels of the prior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.folders import Folder
from equipoise.core.labels import LabelledCodes, Labels, concatenate
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import BLOCK_ROWS, Stream, child_seed
from equipoise.core.targets import Target
from equipoise.labelling.collect import label_codes
from equipoise.labelling.shards import Codes, CodeSource
from equipoise.methods.tilt.fit import fit_proposal
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.methods.tilt.rules import STARVING
from equipoise.samplers.sampler import GeneratorRef, LatentBatch, Sampler
from equipoise.samplers.tilt import TiltSource

_PARTS = 3
"""Rounds where a cell starves of labels; else one round spends them all."""

_FOLDS, _MEMBERS = 3, 2
"""Of the latent classifier of a round, which is replaced in the end."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round asked for and got, a number a cell."""

    requested: tuple[int, ...]
    achieved: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LabellingInfo:
    """Where the labels went.

    Attributes
    ----------
    of_prior : int
        Labelled codes of the prior.
    rounds : tuple of Round
        The directed rounds, in order.
    counts : tuple of int
        Labelled codes of each cell, all sources together.
    effective : tuple of float
        Effective number of codes of each cell when they stand for the prior (Kish 1965).
    """

    of_prior: int
    rounds: tuple[Round, ...]
    counts: tuple[int, ...]
    effective: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Labelled:
    """All labelled codes, with where the labels went."""

    codes: LabelledCodes
    account: LabellingInfo


@dataclass(frozen=True, eq=False)
class _Source:
    """Draws of one round: how many of each cell were requested of which tilt.

    Attributes
    ----------
    tilt : TiltSource
    requested : numpy.ndarray, shape (K,), int64
    folds : numpy.ndarray, shape (m,), int64
        For the codes labelled before the round, the fold that has not seen them; for its own
        draws, the fold that accepted them.
    """

    tilt: TiltSource
    requested: NDArray[np.int64]
    folds: NDArray[np.int64]

    def density(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return expected draws per unit of the density of the prior at each code, shape (n,).

        Each code is read by the fold that `folds` says, so that no density comes from networks
        that were fitted to the label of the code itself: these know it too well. Codes of later
        rounds are read by all folds.
        """
        asked = np.flatnonzero(self.requested)
        rates = self.requested[asked] / self.tilt.current.acceptance[asked]
        folds = np.full(len(codes), -1)
        folds[: len(self.folds)] = self.folds
        return np.asarray(self.tilt.acceptances(codes, folds)[:, asked] @ rates)


def label_adaptively(
    models: Models,
    prior: LabelledCodes,
    target: Target,
    n: int,
    *,
    seed: int,
    draws_folder: Callable[[str, str], Path | Folder],
    execution: Execution = Execution(),
) -> Labelled:
    """Label n draws directed at the cells of positive target that lack labels.

    Parameters
    ----------
    models
        As for `collect`.
    prior : LabelledCodes
        Labelled codes of the prior.
    target : Target
    n : int
        Labels to spend; 0 spends none.
    seed : int
        Names the draws.
    draws_folder : callable
        From a sampler's digest and a stage to the folder for labels of its draws; a stopped round
        goes on there.

    Raises
    ------
    InsufficientLabelsError
        When a cell accepts too few candidates.
    """
    labelled, sources, rounds = prior, list[_Source](), list[Round]()
    cells, wanted = target.grid.size, target.shares > 0
    generator, left = models.generator, n
    while left > 0:
        have = _counts(labelled.labels)
        starving = bool((have[wanted] < STARVING).any()) and len(rounds) + 1 < _PARTS
        part = min(left, -(-n // _PARTS)) if starving else left
        latent = fit_latent(
            generator.stem,
            labelled,
            seed=seed,
            folds=_FOLDS,
            members=_MEMBERS,
            execution=execution,
        )
        tilt = fit_proposal(generator, latent, labelled, target, seed, execution)
        weights = _request_shares(have, wanted, len(prior) + n)
        sampler = Sampler(
            GeneratorRef.of(generator),
            Target(target.grid, wanted.astype(np.float64)),
            weights,
            tilt,
        )
        # Draws of one seed are alike whatever the tilt, so every round has its own.
        own = child_seed(seed, Stream.DIRECTED_DRAWS, len(rounds))
        draws = _drawn(sampler, part, own, execution.workers)
        table = label_codes(
            models,
            CodeSource(f"sampler {sampler.digest}, seed {own}", _rows_of(draws.codes)),
            part,
            draws_folder(sampler.digest, "direct"),
            stage="direct",
            execution=execution,
        )
        labels = table.labels()
        requested = np.bincount(draws.requested, minlength=cells)
        folds = np.concatenate([latent.folds, draws.folds])
        sources.append(_Source(tilt, requested, folds))
        rounds.append(
            Round(requested=tuple(requested.tolist()), achieved=tuple(_counts(labels).tolist()))
        )
        codes = np.concatenate([labelled.codes, draws.codes])
        density = np.full(len(codes), float(len(prior)))
        for source in sources:
            density += source.density(codes)
        labelled = LabelledCodes(
            codes, concatenate([labelled.labels, labels]), len(codes) / density
        )
        left -= part
    account = LabellingInfo(
        of_prior=len(prior),
        rounds=tuple(rounds),
        counts=tuple(_counts(labelled.labels).tolist()),
        effective=tuple(labelled.effective().tolist()),
    )
    return Labelled(labelled, account)


def _drawn(sampler: Sampler, n: int, seed: int, workers: int | None) -> LatentBatch:
    """Return `sampler.draw(n, seed)`, its blocks computed side by side."""
    spans = batches(0, n, BLOCK_ROWS)
    parts = ordered_map(
        lambda span: sampler.draw(span[1] - span[0], seed, start=span[0]), spans, workers
    )
    return LatentBatch.concatenate(list(parts))


def _rows_of(codes: NDArray[np.float32]) -> Codes:
    return lambda start, stop: codes[start:stop]


def _counts(labels: Labels) -> NDArray[np.int64]:
    return np.bincount(labels.cells + 1, minlength=labels.grid.size + 1)[1:]


def _request_shares(
    have: NDArray[np.int64], wanted: NDArray[np.bool_], total: int
) -> NDArray[np.float64]:
    """Return how often to request each cell: as far as it lacks an equal part of the labels."""
    lack = np.where(wanted, np.maximum(total / wanted.sum() - have, 0), 0)
    return np.asarray(lack / lack.sum() if lack.any() else wanted / wanted.sum())

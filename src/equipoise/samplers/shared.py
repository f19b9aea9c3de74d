"""Candidates that all cells of a target share, for verified draws of the tilt.

A candidate that was made for one cell often comes out as another. Drawn cell by cell, it is thrown
away; here it serves whichever cell it is of, so that fewer images are made and classified, and what
is delivered stays the same.

Let cell k accept a code with probability a_k, and let it be wanted at the rate r_k, chosen so that
all cells fill at about the same time. Codes of the prior are looked at with a probability in
proportion to e = max_k r_k a_k, and an image of cell k is kept with probability r_k a_k / e. So the
kept images of each cell have the density a_k relative to the generator's own images of the cell,
whatever the rates, as if they were drawn alone: faithfulness and weights are those of the mode. The
cost is E[max_k r_k a_k] in place of the sum of E[r_k a_k]: it is less wherever cells accept the
same codes, which they do where the latent classifier is in doubt. Rejection is the case a_k = 1.

Code i is code i of the prior of a seed of its own, so that it depends on (seed, i) alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from equipoise.core.parallel import one_thread
from equipoise.core.seeds import BLOCK_ROWS, Stream, child_seed, generator_for
from equipoise.samplers.sampler import LatentBatch, Sampler
from equipoise.samplers.tilt import TiltSource

_MOST_LOOKS = 200.0
"""Codes of the prior per image that is made, at most; rarer cells are drawn alone. By hand."""

_MOST_IN_VAIN = 1024
"""Blocks without a candidate after which a stream ends."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Codes whose images are worth making.

    Attributes
    ----------
    number : numpy.ndarray, shape (n,), int64
        Of the code among those of its seed.
    codes : numpy.ndarray, shape (n, dim), float32
    folds : numpy.ndarray, shape (n,), int64
        Fold of the latent classifier that read the code.
    log_accepted : numpy.ndarray, shape (n, K), float64
        Log-probability with which each cell accepts the code.
    log_kept : numpy.ndarray, shape (n, K), float64
        Log-probability with which the image is kept where it is of the cell.
    log_uniform : numpy.ndarray, shape (n,), float64
        Decides whether it is.
    """

    number: NDArray[np.int64]
    codes: NDArray[np.float32]
    folds: NDArray[np.int64]
    log_accepted: NDArray[np.float64]
    log_kept: NDArray[np.float64]
    log_uniform: NDArray[np.float64]

    def take(self, rows: slice) -> Candidates:
        """Return some of them."""
        return Candidates(**{name: array[rows] for name, array in vars(self).items()})

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return several as one, in order."""
        names = [one.name for one in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


@dataclass(frozen=True, eq=False)
class SharedCandidates:
    """Candidates of one mode of a tilt, for the target of its sampler.

    Attributes
    ----------
    source : TiltSource
        In the mode that is drawn.
    log_rates : numpy.ndarray, shape (K,), float64
        log r_k; -inf for cells that are drawn alone.
    worth : numpy.ndarray, shape (K,), float64
        Images made per image of the cell where it is drawn alone, times the cell's share of the
        target. Stages are left out: their cost is measured, and draws may not depend on a clock.
    cost : float
        Images made per image of the target by shared candidates.
    """

    source: TiltSource
    log_rates: NDArray[np.float64]
    worth: NDArray[np.float64]
    cost: float

    @classmethod
    def of(cls, sampler: Sampler) -> SharedCandidates | None:
        """Return those of a sampler's verified draws; None where they would bring nothing.

        They need a tilt, and statements that say how pure its requests are. The part of the calls
        that sharing saves is taken to be that of the target which the statements are of.

        Parameters
        ----------
        sampler : Sampler
            As `Sampler.for_verified` returns it.
        """
        source = sampler.source
        if not isinstance(source, TiltSource):
            return None
        stated = {mode.faithful: mode for mode in sampler.statements}.get(source.mode)
        if stated is None or not np.isfinite(stated.saved):
            return None
        grid, shares = sampler.grid, sampler.target.shares
        purity = np.zeros(grid.size)
        for cell in stated.cells:
            purity[grid.index(cell.cell)] = cell.purity.value
        known = (shares > 0) & (purity > 0)
        worth = np.where(known, shares / np.where(known, purity, 1.0), 0.0)
        delivered = np.where(known, purity * source.current.acceptance, 1.0)
        rates = np.where(known, shares / delivered, 0.0)
        shared = rates <= _MOST_LOOKS * (1 - stated.saved) * worth.sum()
        rates, worth = np.where(shared, rates, 0.0), np.where(shared, worth, 0.0)
        if np.count_nonzero(rates) < 2:
            return None
        with np.errstate(divide="ignore"):
            # Shared or not, the images of one cell cost what they cost alone, at least.
            cost = max((1 - stated.saved) * worth.sum(), worth.max())
            return cls(source, np.log(rates), worth, float(cost))

    @property
    def looks(self) -> float:
        """Codes of the prior that are looked at for an image of the target, about."""
        return float(np.exp(self.log_rates.max()))

    def pay(self, missing: NDArray[np.int64]) -> bool:
        """Return whether they cost less than drawing alone the cells that still miss images."""
        return bool(self.worth[missing > 0].sum() > self.cost)

    def stream(self, seed: int, start: int = 0, stop: int | None = None) -> Iterator[Candidates]:
        """Yield the candidates from code `start` of the seed on, block by block.

        `stop`, a multiple of `BLOCK_ROWS`, ends them, and so do a thousand blocks without any.
        """
        block, skipped = divmod(start, BLOCK_ROWS)
        in_vain = 0
        while in_vain < _MOST_IN_VAIN and (stop is None or block * BLOCK_ROWS < stop):
            found = self._block(seed, block)
            first = int(np.searchsorted(found.number, block * BLOCK_ROWS + skipped))
            if first < len(found.number):
                yield found.take(slice(first, None))
            in_vain = 0 if len(found.number) else in_vain + 1
            block, skipped = block + 1, 0

    def _block(self, seed: int, block: int) -> Candidates:
        source, start = self.source, block * BLOCK_ROWS
        generator, rule = source.opened, source.current.rule
        most = self.log_rates.max()
        rng = generator_for(seed, Stream.SHARED_CANDIDATES, block)
        looked, kept = np.log(rng.random((2, BLOCK_ROWS)))
        # One compute thread, whose rounding is the same whoever calls.
        with one_thread():
            codes = shared_codes(source, seed, start, start + BLOCK_ROWS)
            bounds = source.log_bounds(codes)
            rows = np.flatnonzero(looked < (bounds + self.log_rates).max(axis=1) - most)
            folds = (start + rows) % source.classifier.folds
            log_h = source.classifier.log_probabilities(generator.stem(codes[rows]), folds)
        accepted = np.minimum(rule.log_acceptance(log_h), bounds[rows])
        rated = accepted + self.log_rates
        best = rated.max(axis=1, keepdims=True)
        chosen = looked[rows] < best[:, 0] - most
        with np.errstate(invalid="ignore"):  # What no cell accepts is not chosen.
            log_kept = rated - best
        return Candidates(
            number=start + rows[chosen],
            codes=codes[rows[chosen]],
            folds=folds[chosen],
            log_accepted=accepted[chosen],
            log_kept=log_kept[chosen],
            log_uniform=kept[rows[chosen]],
        )

    def kept(self, candidates: Candidates, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images are kept, where each came out as one of `cells`, -1 for none."""
        chance = candidates.log_kept[np.arange(len(cells)), cells]
        return np.asarray((cells >= 0) & (candidates.log_uniform < chance))

    def latents(
        self, candidates: Candidates, rows: NDArray[np.int64], cells: NDArray[np.int64]
    ) -> LatentBatch:
        """Return the kept ones as draws of the cells that they came out as, with their weights."""
        mode, cells = self.source.current, cells[rows]
        weights = np.ones(len(rows))
        if mode.weighted:
            weights = mode.own_acceptance[cells] * np.exp(-candidates.log_accepted[rows, cells])
        number, folds = candidates.number[rows], candidates.folds[rows]
        return LatentBatch(-1 - number, candidates.codes[rows], cells, weights, folds)


def shared_codes(source: TiltSource, seed: int, start: int, stop: int) -> NDArray[np.float32]:
    """Return codes [start, stop) of those that the cells of a seed share, (stop - start, dim)."""
    own = child_seed(seed, Stream.SHARED_CANDIDATES)
    return source.opened.prior.codes(own, start, stop)


def code_of(
    sampler: Sampler, index: int, seed: int = 0, *, cell: str | None = None
) -> NDArray[np.float32]:
    """Return the code of a draw by its index, shape (dim,), float32.

    Parameters
    ----------
    sampler : Sampler
        For a verified draw, as `Sampler.for_verified` returns it.
    index : int
        Of the draw. One below 0 is of a shared candidate.
    seed : int
        In [0, 2**63).
    cell : str, optional
        The requested cell of a verified draw, or of draws of one cell.
    """
    if index < 0 and isinstance(sampler.source, TiltSource):
        codes = shared_codes(sampler.source, seed, -1 - index, -index)
    else:
        codes = sampler.draw(1, seed, cell=cell, start=index).codes
    return np.asarray(codes[0])

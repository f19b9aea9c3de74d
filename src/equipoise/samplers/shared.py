"""Candidates that all cells of a target share, for verified draws of the tilt.

A candidate that was made for one cell often comes out as another. Drawn cell by cell, it is thrown
away; here it serves whichever cell it is of, so that fewer images are made and classified, and what
is delivered stays the same.

Let cell k accept a code with probability a_k, and let it be wanted at the rate r_k, chosen so that
all cells fill at about the same time. Each code of the prior comes with one uniform number u, and
would serve cell k where u < r_k a_k / max_j r_j. It is made into an image where it would serve a
cell that still misses images, and the image is kept where it came out as such a cell. So the kept
images of each cell have the density a_k relative to the generator's own images of the cell,
whatever the rates and the other cells, as if they were drawn alone: faithfulness and weights are
those of the mode. While all cells are open, the cost is E[max_k r_k a_k] in place of the sum of
E[r_k a_k]: it is less wherever cells accept the same codes, which they do where the latent
classifier is in doubt. Rejection is the case a_k = 1.

Code i is code i of the prior of a seed of its own, and u depends on (seed, i) alone. So the images
that a cell would keep are one sequence for each seed, and a draw takes the first ones of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.core.parallel import one_thread
from equipoise.core.seeds import BLOCK_ROWS, Stream, child_seed, generator_for
from equipoise.samplers.sampler import LatentBatch, Sampler
from equipoise.samplers.tilt import TiltSource

_MOST_LOOKS = 200.0
"""Codes of the prior per image that is made, at most; rarer cells are drawn alone. By hand."""

_MOST_BETWEEN = 20_000.0
"""Codes of the prior from one image of a cell to the next, at most; cells of a smaller share of the
target are drawn alone. By hand."""


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
    serves : numpy.ndarray, shape (n, K), bool
        Whether the cell keeps the image where it is of the cell.
    """

    number: NDArray[np.int64]
    codes: NDArray[np.float32]
    folds: NDArray[np.int64]
    log_accepted: NDArray[np.float64]
    serves: NDArray[np.bool_]

    def take(self, rows: slice | NDArray[np.int64]) -> Candidates:
        """Return some of them."""
        return Candidates(**{name: array[rows] for name, array in vars(self).items()})

    def serving(self, cells: NDArray[np.bool_]) -> Candidates:
        """Return those that serve one of some cells, shape (K,)."""
        return self.take(np.flatnonzero(self.serves[:, cells].any(axis=1)))

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return several as one, in order."""
        names = [one.name for one in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    def kept(self, cells: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which images are kept that came out as `cells`, -1 for none, shape (n,)."""
        return np.asarray((cells >= 0) & self.serves[np.arange(len(cells)), cells])


@dataclass(frozen=True, eq=False)
class SharedCandidates:
    """Candidates of one mode of a tilt, for the target of its sampler.

    Attributes
    ----------
    source : TiltSource
        In the mode that is drawn.
    log_rates : numpy.ndarray, shape (K,), float64
        log r_k; -inf for cells that are drawn alone.
    """

    source: TiltSource
    log_rates: NDArray[np.float64]

    @classmethod
    def of(cls, sampler: Sampler) -> SharedCandidates | None:
        """Return those of a sampler's verified draws; None where fewer than two cells can share.

        They need a tilt, and statements that say how pure its requests are.

        Parameters
        ----------
        sampler : Sampler
            As `Sampler.for_verified` returns it.
        """
        source = sampler.source
        if not isinstance(source, TiltSource):
            return None
        stated = {mode.faithful: mode for mode in sampler.statements}.get(source.mode)
        if stated is None:
            return None
        grid, shares = sampler.grid, sampler.target.shares
        purity = np.zeros(grid.size)
        for cell in stated.cells:
            purity[grid.index(cell.cell)] = cell.purity.value
        known = (shares > 0) & (purity > 0)
        delivered = np.where(known, purity * source.current.acceptance, 1.0)
        rates = np.where(known, shares / delivered, 0.0)
        images = (shares[known] / purity[known]).sum()
        rates[rates > _MOST_LOOKS * images] = 0.0
        rates[rates.max() > _MOST_BETWEEN * shares] = 0.0
        if np.count_nonzero(rates) < 2:
            return None
        with np.errstate(divide="ignore"):
            return cls(source, np.log(rates))

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells share, shape (K,)."""
        return np.isfinite(self.log_rates)

    @property
    def looks(self) -> float:
        """Codes of the prior that are looked at for an image of the target, about."""
        return float(np.exp(self.log_rates.max()))

    def blocks(self, seed: int, first: NDArray[np.int64], stop: int) -> Iterator[Candidates]:
        """Yield the candidates of each block of codes, of which there may be none.

        Parameters
        ----------
        seed : int
        first : numpy.ndarray, shape (K,), int64
            Code from which on candidates serve each cell.
        stop : int
            Code before which they end; a block that it would cut is left out.
        """
        for block in range(int(first.min()) // BLOCK_ROWS, stop // BLOCK_ROWS):
            found = self._block(seed, block)
            serves = found.serves & (found.number[:, None] >= first)
            yield replace(found, serves=serves).serving(self.cells)

    def _block(self, seed: int, block: int) -> Candidates:
        """Return the codes of a block whose stage is read, also those that serve no cell."""
        # Which cells still miss images has no part here: the rounding of a code's numbers depends
        # on the codes that are computed beside it.
        source, start = self.source, block * BLOCK_ROWS
        generator, rule = source.opened, source.current.rule
        scaled = self.log_rates - self.log_rates.max()
        rng = generator_for(seed, Stream.SHARED_CANDIDATES, block)
        log_uniform = np.log(rng.random(BLOCK_ROWS))[:, None]
        # One compute thread, whose rounding is the same whoever calls.
        with one_thread():
            codes = shared_codes(source, seed, start, start + BLOCK_ROWS)
            bounds = source.log_bounds(codes)
            rows = np.flatnonzero((log_uniform < bounds + scaled).any(axis=1))
            folds = (start + rows) % source.classifier.folds
            log_h = source.classifier.log_probabilities(generator.stem(codes[rows]), folds)
        accepted = np.minimum(rule.log_acceptance(log_h), bounds[rows])
        serves = log_uniform[rows] < accepted + scaled
        return Candidates(start + rows, codes[rows], folds, accepted, serves)

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

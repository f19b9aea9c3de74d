"""Fresh codes by which a tilt gets to know what its cells accept.

For a rare cell hardly any code of the prior is accepted. The search for its half-space then goes in
levels, each within the half-space of the last one's best codes, until enough is accepted: the
cross-entropy method for rare events (Rubinstein and Kroese 2004, chapter 3), with half-spaces of
the prior in place of shifted densities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import Prior, StandardNormal
from equipoise.samplers.proposals import HalfSpaces, half_space_of

Judge = Callable[[NDArray[np.float32]], NDArray[np.float64]]

_ENOUGH = 200.0
_LEVELS = 6
_ELITE = 0.02
_SIZE_OF_LEVEL = 16_384
_FEW_ACCEPTED, _EXTRA_SHARE = 1500.0, 3 / 16


@dataclass(frozen=True, eq=False)
class ProposalSearch:
    """Judged codes.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_acceptance : numpy.ndarray, shape (n, K), float64
        Logarithm of the probability that each cell accepts the code.
    own : tuple of numpy.ndarray, int64
        For each cell the rows that were drawn to know it.
    shares : numpy.ndarray, shape (K,), float64
        Share of the prior in the half-space that a cell's own rows were drawn from.
    spaces : HalfSpaces
        Where each cell's candidates are to come from.
    """

    codes: NDArray[np.float32]
    log_acceptance: NDArray[np.float64]
    own: tuple[NDArray[np.int64], ...]
    shares: NDArray[np.float64]
    spaces: HalfSpaces

    def acceptance(self, log_acceptance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the prior that each cell accepts by these log chances, (K,)."""
        held = np.exp(log_acceptance) * self.spaces.contains(self.codes)
        means = [held[rows, k].mean() for k, rows in enumerate(self.own)]
        return np.array(means) * self.shares


def search_proposals(
    prior: Prior,
    codes: NDArray[np.float32],
    log_acceptance: NDArray[np.float64],
    judge: Judge,
    wanted: NDArray[np.bool_],
    seed: int,
) -> ProposalSearch:
    """Go on from judged codes of the prior where a wanted cell accepts few of them.

    Parameters
    ----------
    prior : Prior
        Half-spaces are those of a `StandardNormal`; of another prior, cells get the whole.
    codes : numpy.ndarray, shape (n, dim), float32
        Codes of the prior to begin with; a level has as many, up to 16,384. A cell that accepts
        few of its last ones gets 3/16 as many from its half-space.
    log_acceptance : numpy.ndarray, shape (n, K), float64
        What `judge` says of them.
    judge : callable
        From codes, shape (n, dim), to log chances, shape (n, K).
    wanted : numpy.ndarray, shape (K,), bool
    seed : int
        Of further codes.
    """
    rng = generator_for(seed, Stream.PROPOSAL_SEARCH)
    cells, size = len(wanted), len(codes)
    spaces = HalfSpaces.unrestricted(cells, codes.shape[1])
    parts, evaluated, own = [codes], [log_acceptance], [np.arange(size)] * cells
    shares = np.ones(cells)

    def within(k: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Judge candidates of the cell's half-space as it now is."""
        fresh = prior.codes(int(rng.integers(2**62)), 0, n)
        here = spaces.candidates(fresh, k, rng)
        have = sum(map(len, parts))
        parts.append(here)
        evaluated.append(judge(here))
        own[k], shares[k] = np.arange(have, have + len(here)), spaces.prior_mass()[k]
        return here, evaluated[-1]

    if isinstance(prior, StandardNormal):
        for k in np.flatnonzero(wanted).tolist():
            here, chances = codes, log_acceptance
            for _ in range(_LEVELS):
                if np.exp(chances[:, k]).sum() >= _ENOUGH:
                    break
                best = np.argsort(chances[:, k])[-int(_ELITE * len(here)) :]
                spaces = spaces.with_halfspace(k, *half_space_of(here[best], np.ones(len(best))))
                here, chances = within(k, min(size, _SIZE_OF_LEVEL))
            accepted = np.exp(chances[:, k])
            if accepted.sum() > 0:
                spaces = spaces.with_halfspace(k, *half_space_of(here, accepted))
                # A screen that saw few accepted codes lets through many times as many.
                if accepted.sum() < _FEW_ACCEPTED:
                    within(k, int(_EXTRA_SHARE * size))
    return ProposalSearch(
        np.concatenate(parts), np.concatenate(evaluated), tuple(own), shares, spaces
    )

"""Where the candidates of each cell are to come from: a search for its half-space.

For a rare cell almost no code of the prior is accepted. The search then goes in levels, each
within the half-space of the best codes of the last one, until enough is accepted: the cross-entropy
method for rare events (Rubinstein and Kroese 2004, chapter 3), with half-spaces of the prior in
place of shifted densities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.base import Prior, StandardNormal
from equipoise.samplers.acceptance import AcceptanceRule
from equipoise.samplers.proposals import HalfSpaces, half_space_of

Read = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From codes, shape (n, dim), to log P(cell | code), shape (n, K)."""

_ENOUGH = 200.0
"""Accepted members of a cell that place its half-space; chosen by hand."""

_LEVELS = 6
_ELITE = 0.02
_SIZE_OF_LEVEL = 16_384
_FEW_ACCEPTED, _EXTRA_SHARE = 1500.0, 3 / 16


@dataclass(frozen=True, eq=False)
class ProposalSearch:
    """Codes that the latent classifier has read, and half-spaces that follow from them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_h : numpy.ndarray, shape (n, K), float32
        log P(cell | code).
    own : tuple of numpy.ndarray, int64
        For each cell the rows that were drawn as its candidates are.
    shares : numpy.ndarray, shape (K,), float64
        Share of the prior in the half-space that a cell's own rows were drawn from.
    spaces : HalfSpaces
        Where the candidates of each cell are to come from.
    """

    codes: NDArray[np.float32]
    log_h: NDArray[np.float32]
    own: tuple[NDArray[np.int64], ...]
    shares: NDArray[np.float64]
    spaces: HalfSpaces

    def prior_mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over the prior of what is 0 outside the half-spaces.

        Parameters
        ----------
        values : numpy.ndarray, shape (n, K), float64
            Of each code for each cell.

        Returns
        -------
        numpy.ndarray, shape (K,), float64
        """
        held = values * self.spaces.contains(self.codes)
        means = [held[rows, k].mean() for k, rows in enumerate(self.own)]
        return np.array(means) * self.shares


def search_proposals(
    prior: Prior,
    codes: NDArray[np.float32],
    log_h: NDArray[np.float32],
    read: Read,
    rule: AcceptanceRule,
    seed: int,
) -> ProposalSearch:
    """Search on from codes of the prior where a requestable cell accepts few of its members.

    Parameters
    ----------
    prior : Prior
        Half-spaces are those of a `StandardNormal`; of another prior, cells get the whole.
    codes : numpy.ndarray, shape (n, dim), float32
        Codes of the prior to begin with; a level has as many, up to 16,384. A cell that accepts
        few of its last ones gets 3/16 as many from its half-space.
    log_h : numpy.ndarray, shape (n, K), float32
        What `read` returns for them.
    read : callable
    rule : AcceptanceRule
        Says how many codes are accepted, and so how far the search goes. A half-space holds nearly
        all members of its cell.
    seed : int
        Of further codes.
    """
    rng = generator_for(seed, Stream.PROPOSAL_SEARCH)
    cells, size = len(rule.full), len(codes)
    spaces = HalfSpaces.unrestricted(cells, codes.shape[1])
    parts, read_parts, own = [codes], [log_h], [np.arange(size)] * cells
    shares = np.ones(cells)

    def members(log_p: NDArray[np.float32], k: int) -> NDArray[np.float64]:
        """Return the probability that each code is of the cell and accepted."""
        return np.asarray(np.exp(rule.log_acceptance(log_p)[:, k] + log_p[:, k]))

    def within(k: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return candidates of the cell's half-space as it now is, and what is read of them."""
        fresh = prior.codes(int(rng.integers(2**62)), 0, n)
        here = spaces.candidates(fresh, k, rng)
        have = sum(map(len, parts))
        parts.append(here)
        read_parts.append(read(here))
        own[k], shares[k] = np.arange(have, have + len(here)), spaces.prior_mass()[k]
        return here, read_parts[-1]

    if isinstance(prior, StandardNormal):
        for k in np.flatnonzero(rule.cells).tolist():
            here, log_p = codes, log_h
            for _ in range(_LEVELS):
                accepted = members(log_p, k)
                if accepted.sum() >= _ENOUGH:
                    break
                best = np.argsort(accepted, kind="stable")[-int(_ELITE * len(here)) :]
                spaces = spaces.with_halfspace(k, *half_space_of(here[best], np.ones(len(best))))
                here, log_p = within(k, min(size, _SIZE_OF_LEVEL))
            accepted = members(log_p, k)
            if accepted.sum() > 0:
                # All members count for the half-space, accepted or not: none is to be out of reach.
                every = np.exp(log_p[:, k].astype(np.float64))
                spaces = spaces.with_halfspace(k, *half_space_of(here, every))
                # A prefilter that saw few accepted codes lets through many times as many.
                if accepted.sum() < _FEW_ACCEPTED:
                    within(k, int(_EXTRA_SHARE * size))
    return ProposalSearch(
        np.concatenate(parts), np.concatenate(read_parts), tuple(own), shares, spaces
    )

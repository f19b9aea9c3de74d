"""Flips of the originals of one group, beside those of re-encoding, and where they went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.gaps import ERROR
from equipoise.audit.paired import discordance, paired_difference
from equipoise.audit.rates import Rate
from equipoise.estimates import Estimate

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Toward:
    """Of a group's images, those that became another.

    Attributes
    ----------
    name : str
        The group that they became.
    rate : Rate
        Among the group's images whose restored level is known.
    """

    name: str
    rate: Rate


@dataclass(frozen=True)
class GroupFlips:
    """Flips of the originals of one group.

    Attributes
    ----------
    name : str
    n, unknown : int
        Originals, and those on whose restored image the panel abstains.
    flips : Rate
        Among restored images of known level.
    reencoded : Rate
        Flips of the originals when they are only encoded anew, among those of known level.
    beyond : Estimate
        Rate of flips less that of re-encoding, over images known on both; its intervals hold
        all groups of a table together.
    p_value : float
        That both flip as often; for this group alone.
    toward : tuple of Toward
        Where its flips went, most first.
    """

    name: str
    n: int
    unknown: int
    flips: Rate
    reencoded: Rate
    beyond: Estimate
    p_value: float
    toward: tuple[Toward, ...]


def group_flips(
    groups: Sequence[str],
    names: Sequence[str],
    group: Numbers,
    before: Numbers,
    after: Numbers,
    reencoded: Numbers,
) -> tuple[GroupFlips, ...]:
    """Return the flips of each group that has images.

    Parameters
    ----------
    groups : sequence of str
        G of them.
    names : sequence of str
        The K levels, or cells, that images flip between.
    group : numpy.ndarray, shape (n,), int64
        In [0, G).
    before, after, reencoded : numpy.ndarray, shape (n,), int64
        In [0, K); -1 where the panel abstains.
    """
    there = np.unique(group).tolist()
    found = []
    for g in there:
        one, other, own = before[group == g], after[group == g], reencoded[group == g]
        flipped, moved = (other >= 0) & (other != one), (own >= 0) & (own != one)
        known, both = int((other >= 0).sum()), (other >= 0) & (own >= 0)
        table = [
            int((both & (flipped == f) & (moved == m)).sum())
            for f, m in ((True, True), (True, False), (False, True), (False, False))
        ]
        became = np.bincount(other[flipped], minlength=len(names))
        found.append(
            GroupFlips(
                groups[g],
                len(one),
                len(one) - known,
                Rate.of(int(flipped.sum()), known),
                Rate.of(int(moved.sum()), int((own >= 0).sum())),
                paired_difference(*table, error=ERROR / len(there)),
                discordance(table[1], table[2]),
                tuple(
                    Toward(names[k], Rate.of(int(became[k]), known))
                    for k in np.argsort(-became, kind="stable")
                    if became[k]
                ),
            )
        )
    return tuple(found)

"""Who becomes whom: the levels of the originals against those of the restored images.

A flip is a restored image that the reference panel puts into another group than its original.
Images on which it abstains after restoration are told apart, and are no flips.

Flips of the originals of one group, beside those of re-encoding, and where they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.rates import CELLS
from equipoise.core.attributes import AttributeGrid
from equipoise.core.estimates import Estimate
from equipoise.stats.group_gaps import ERROR, Gap, largest_gap
from equipoise.stats.paired import asymmetry, discordance, paired_difference
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class Change:
    """The share of a group among restored images less that among their originals.

    Attributes
    ----------
    name : str
    before, after : int
        Images, of n whose restored level is known.
    difference : Estimate
        In [-1, 1]; the intervals of all groups hold together.
    """

    name: str
    before: int
    after: int
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Flips between cells, or between the levels of one attribute.

    Attributes
    ----------
    where : str
        "cells", or the attribute.
    names : tuple of str
        K groups.
    counts : tuple of tuple of int, shape (K, K + 1)
        Rows originals, columns restored images, the last unknown.
    overall : GroupFlips
        Of all originals as one group, named as the table.
    groups : tuple of GroupFlips
        Those of them that have originals.
    by_cell : tuple of GroupFlips
        Of an attribute where there are several: flips of its levels in each cell.
    gap : Gap or None
        Between the flip rates of `groups`: departure from Representation Demographic Parity.
    changes : tuple of Change
        Of each group: departure from Proportional Representation.
    asymmetry : float
        p-value that groups exchange images evenly, which Conditional Proportional Representation
        implies; for this table alone.
    """

    where: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    overall: GroupFlips
    groups: tuple[GroupFlips, ...]
    by_cell: tuple[GroupFlips, ...]
    gap: Gap | None
    changes: tuple[Change, ...]
    asymmetry: float


def find_flips(
    by: AttributeGrid,
    original: NDArray[np.int8],
    restored: NDArray[np.int8],
    reencoded: NDArray[np.int8],
    *,
    seed: int = 0,
) -> tuple[Flips, ...]:
    """Return the flips between cells, then those of each attribute where there are several.

    The notions of fairness are those of Jalal et al. 2021 (arXiv 2106.12182, its definitions), with
    x an original and x' its restored image. Representation Demographic Parity: P(x' in c | x in c)
    is the same for all groups c, so all flip equally often. Proportional Representation:
    P(x' in c) = P(x in c). Conditional Proportional Representation: P(x' in c | low) =
    P(x in c | low) for every low image. No low image comes twice, so the last is not seen itself;
    but it makes x and x' change places freely when they are independent given the low image, hence
    P(x in c, x' in d) = P(x in d, x' in c), which is tested.

    Parameters
    ----------
    by : AttributeGrid
        A attributes.
    original, restored, reencoded : numpy.ndarray, shape (n, A), int8
        Levels by the panel; those of the originals are known.
    seed : int
        Of simulated tests.
    """
    cells = by.cell_of(original)
    tables = [
        _table(CELLS, by.cells, cells, by.cell_of(restored), by.cell_of(reencoded), None, seed)
    ]
    if len(by.names) > 1:
        for a, attribute in enumerate(by.attributes):
            before, after, own = (
                rows[:, a].astype(np.int64) for rows in (original, restored, reencoded)
            )
            names = [f"{attribute.name}={level}" for level in attribute.levels]
            tables.append(
                _table(attribute.name, names, before, after, own, (by.cells, cells), seed)
            )
    return tuple(tables)


def _table(
    where: str,
    names: Sequence[str],
    before: Numbers,
    after: Numbers,
    reencoded: Numbers,
    cells: tuple[Sequence[str], Numbers] | None,
    seed: int,
) -> Flips:
    """Return the flips of one grouping, shape (n,) each; and by cell where cells are given."""
    counts = np.zeros((len(names), len(names) + 1), np.int64)
    np.add.at(counts, (before, after), 1)
    groups = group_flips(names, names, before, before, after, reencoded)
    by_cell: tuple[GroupFlips, ...] = ()
    if cells is not None:
        by_cell = group_flips(cells[0], names, cells[1], before, after, reencoded)
    gap = largest_gap(
        [g.name for g in groups],
        [g.flips.count for g in groups],
        [g.flips.n for g in groups],
        seed=seed,
    )
    return Flips(
        where=where,
        names=tuple(names),
        counts=tuple(tuple(row) for row in counts.tolist()),
        overall=group_flips([where], names, np.zeros_like(before), before, after, reencoded)[0],
        groups=groups,
        by_cell=by_cell,
        gap=gap,
        changes=_changes(names, counts[:, :-1]),
        asymmetry=asymmetry(counts[:, :-1], seed),
    )


def _changes(names: Sequence[str], counts: Numbers) -> tuple[Change, ...]:
    """Return the change of each group's share, of a table (K, K) of known images."""
    n, found = int(counts.sum()), []
    for k, name in enumerate(names):
        stayed, came, left = (
            int(counts[k, k]),
            int(counts[:, k].sum() - counts[k, k]),
            int(counts[k].sum() - counts[k, k]),
        )
        change = paired_difference(
            stayed, came, left, n - stayed - came - left, error=ERROR / len(names)
        )
        found.append(
            Change(name=name, before=stayed + left, after=stayed + came, difference=change)
        )
    return tuple(found)


Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class GroupFlips:
    """Flips of the originals of one group.

    Attributes
    ----------
    name : str
    n, unknown : int
        Originals, and those on whose restored image the panel abstains.
    flips : Share
        Among restored images of known level.
    reencoded : Share
        Flips of the originals when they are only encoded anew, among those of known level.
    beyond : Estimate
        Rate of flips less that of re-encoding, over images known on both; its intervals hold
        all groups of a table together.
    p_value : float
        That both flip as often; for this group alone.
    toward : tuple of Share
        Of the group's images whose restored level is known, those that became another; named by
        what they became, most first.
    """

    name: str
    n: int
    unknown: int
    flips: Share
    reencoded: Share
    beyond: Estimate
    p_value: float
    toward: tuple[Share, ...]


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
                name=groups[g],
                n=len(one),
                unknown=len(one) - known,
                flips=Share.of(groups[g], int(flipped.sum()), known),
                reencoded=Share.of(groups[g], int(moved.sum()), int((own >= 0).sum())),
                beyond=paired_difference(*table, error=ERROR / len(there)),
                p_value=discordance(table[1], table[2]),
                toward=tuple(
                    Share.of(names[k], int(became[k]), known)
                    for k in np.argsort(-became, kind="stable")
                    if became[k]
                ),
            )
        )
    return tuple(found)

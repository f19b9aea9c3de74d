"""Flips: restored images that the reference panel assigns to another group than their originals.

Flips are counted between cells and between the levels of each attribute, and compared with flips
after JPEG. Images on which the panel abstains after restoration are counted apart and are no flips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.rates import CELLS
from equipoise.core.attributes import AttributeGrid
from equipoise.core.estimates import Estimate
from equipoise.stats.group_gaps import ERROR, Gap, largest_gap
from equipoise.stats.paired import asymmetry, discordance, paired_difference
from equipoise.stats.shares import Share, effective_number

if TYPE_CHECKING:
    from equipoise.report.figures import Figure

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Change:
    """The share of a group among restored images less its share among their originals.

    Attributes
    ----------
    name : str
    before, after : int
        Effective images of the group, among those whose restored level is known.
    difference : Estimate
        In [-1, 1]; the intervals of all groups are simultaneous.
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
        Originals by group (rows) and group of the restored image (columns); the last is unknown.
    overall : GroupFlips
        All originals as one group, with the name of the table.
    groups : tuple of GroupFlips
        The groups that have originals.
    by_cell : tuple of GroupFlips
        Flips between the levels of one of several attributes, in each cell.
    gap : Gap or None
        Between the flip rates of `groups`: departure from Representation Demographic Parity.
    changes : tuple of Change
        Of each group: departure from Proportional Representation.
    asymmetry : float
        p-value of the hypothesis that every two groups exchange equally many images, which
        Conditional Proportional Representation implies; not adjusted.
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

    def figure(self) -> Figure:
        """Plot the flips of each group after restoration and after JPEG."""
        from equipoise.report.html import worst_first
        from equipoise.report.plots import share_figure

        ordered = worst_first(self.groups, "flips")
        return share_figure(
            [
                ("JPEG", [group.reencoded for group in ordered]),
                ("restored", [group.flips for group in ordered]),
            ],
            "rate of flips, with the exact 95 % interval of each",
        )


def find_flips(
    by: AttributeGrid,
    original: NDArray[np.int8],
    restored: NDArray[np.int8],
    reencoded: NDArray[np.int8],
    weights: NDArray[np.float64] | None = None,
    *,
    seed: int = 0,
) -> tuple[Flips, ...]:
    """Return the flips between cells and, if there are several attributes, those of each.

    The fairness definitions are those of Jalal et al. 2021 (arXiv 2106.12182), where x is an
    original and x' its restored image. Representation Demographic Parity: P(x' in c | x in c) is
    the same for all groups c, so all groups flip equally often. Proportional Representation:
    P(x' in c) = P(x in c). Conditional Proportional Representation: P(x' in c | low) =
    P(x in c | low) for every low-resolution image. Each such image occurs once, so the last cannot
    be observed directly. But if it holds, and x and x' are independent given the low-resolution
    image, they are exchangeable: P(x in c, x' in d) = P(x in d, x' in c). This is tested.

    Parameters
    ----------
    by : AttributeGrid
        The A attributes.
    original, restored, reencoded : numpy.ndarray, shape (n, A), int8
        Levels by the panel: of originals, all known, of restored images, and of originals after
        JPEG.
    weights : numpy.ndarray, shape (n,), float64, optional
        Of originals that stand for others, above 0. Rates are weighted, and tests count effective
        images.
    seed : int
        Of the simulated tests, in [0, 2**63).
    """
    cells = by.cell_of(original)
    own = np.ones(len(cells)) if weights is None else weights
    restored_cells, reencoded_cells = by.cell_of(restored), by.cell_of(reencoded)
    tables = [_table(CELLS, by.cells, cells, restored_cells, reencoded_cells, own, None, seed)]
    if len(by.names) > 1:
        for a, attribute in enumerate(by.attributes):
            before, after, encoded = (
                rows[:, a].astype(np.int64) for rows in (original, restored, reencoded)
            )
            names = [f"{attribute.name}={level}" for level in attribute.levels]
            tables.append(
                _table(attribute.name, names, before, after, encoded, own, (by.cells, cells), seed)
            )
    return tuple(tables)


def _table(
    where: str,
    names: Sequence[str],
    before: Numbers,
    after: Numbers,
    reencoded: Numbers,
    weights: NDArray[np.float64],
    cells: tuple[Sequence[str], Numbers] | None,
    seed: int,
) -> Flips:
    """Return the flips between some groups, and by cell where cells are given.

    Groups of images are arrays of shape (n,), with -1 where the panel abstains.
    """
    counts = np.zeros((len(names), len(names) + 1), np.int64)
    np.add.at(counts, (before, after), 1)
    effective = _effective_counts(len(names), before, after, weights)
    groups = group_flips(names, names, before, before, after, reencoded, weights)
    by_cell: tuple[GroupFlips, ...] = ()
    if cells is not None:
        by_cell = group_flips(cells[0], names, cells[1], before, after, reencoded, weights)
    gap = largest_gap(
        [g.name for g in groups],
        [g.flips.tested[0] for g in groups],
        [g.flips.tested[1] for g in groups],
        seed=seed,
    )
    return Flips(
        where=where,
        names=tuple(names),
        counts=tuple(tuple(row) for row in counts.tolist()),
        overall=group_flips(
            [where], names, np.zeros_like(before), before, after, reencoded, weights
        )[0],
        groups=groups,
        by_cell=by_cell,
        gap=gap,
        changes=_changes(names, effective),
        asymmetry=asymmetry(effective, seed),
    )


def _effective_counts(
    size: int, before: Numbers, after: Numbers, weights: NDArray[np.float64]
) -> Numbers:
    """Return originals (rows) by known restored group (columns), as effective images, (K, K)."""
    found = np.zeros((size, size))
    for k in range(size):
        rows = (before == k) & (after >= 0)
        own = weights[rows]
        if len(own):
            shares = np.bincount(after[rows], own, size) / own.sum()
            found[k] = shares * effective_number(own)
    return np.rint(found).astype(np.int64)


def _changes(names: Sequence[str], counts: Numbers) -> tuple[Change, ...]:
    """Return the change of each group's share, from a table (K, K) of images of known level."""
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


@dataclass(frozen=True, kw_only=True)
class GroupFlips:
    """Flips of the originals of one group.

    Attributes
    ----------
    name : str
    n, unknown : int
        Originals, and originals on whose restored image the panel abstains.
    flips : Share
        Among restored images of known level.
    reencoded : Share
        Flips after JPEG without restoration, among images of known level.
    beyond : Estimate
        Rate of flips less that after JPEG, over images of known level in both; the intervals of all
        groups of a table are simultaneous.
    p_value : float
        Of the hypothesis that both rates are equal; not adjusted.
    toward : tuple of Share
        Flips to each other group, named by it, among the group's images of known restored level;
        the most frequent first.
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
    weights: NDArray[np.float64] | None = None,
) -> tuple[GroupFlips, ...]:
    """Return the flips of each group that has images.

    Parameters
    ----------
    groups : sequence of str
        Names of the G groups.
    names : sequence of str
        The K levels or cells between which images flip.
    group : numpy.ndarray, shape (n,), int64
        The group of each original, in [0, G).
    before, after, reencoded : numpy.ndarray, shape (n,), int64
        Level or cell of the original, the restored image and the original after JPEG, in [0, K); -1
        where the panel abstains.
    weights : numpy.ndarray, shape (n,), float64, optional
        Of the originals, above 0.
    """
    present = np.unique(group).tolist()
    every = np.ones(len(group)) if weights is None else weights
    found = []
    for g in present:
        one, other, own = before[group == g], after[group == g], reencoded[group == g]
        w = every[group == g]
        flipped, moved = (other >= 0) & (other != one), (own >= 0) & (own != one)
        known, both = other >= 0, (other >= 0) & (own >= 0)
        scale = w[both].sum() / max(float(np.square(w[both]).sum()), 1e-300)
        table = [
            round(float(w[both & (flipped == f) & (moved == m)].sum() * scale))
            for f, m in ((True, True), (True, False), (False, True), (False, False))
        ]
        became = np.bincount(other[flipped], w[flipped], minlength=len(names))
        found.append(
            GroupFlips(
                name=groups[g],
                n=len(one),
                unknown=int((~known).sum()),
                flips=Share.among(groups[g], flipped, known, w),
                reencoded=Share.among(groups[g], moved, own >= 0, w),
                beyond=paired_difference(*table, error=ERROR / len(present)),
                p_value=discordance(table[1], table[2]),
                toward=tuple(
                    Share.among(names[k], flipped & (other == k), known, w)
                    for k in np.argsort(-became, kind="stable")
                    if became[k]
                ),
            )
        )
    return tuple(found)

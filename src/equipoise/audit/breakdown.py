"""Rates and gaps by cell, and by the levels of each attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.gaps import Gap, largest_gap
from equipoise.audit.rates import Compared, GroupRates, Rate, group_rates
from equipoise.groups import Groups

CELLS = "cells"


@dataclass(frozen=True)
class NamedGap:
    """A gap that was looked at.

    Attributes
    ----------
    code : str
        Of its check.
    what : str
        The rate: "error rate", "rate of abstention", "share of answers yes".
    is_fault : bool
        Whether a gap can be an issue; shares of answers may differ because the faces do.
    gap : Gap
    p_value : float
        By Holm over all tests of the audit, where `family.adjust` made it so; NaN before.
    """

    code: str
    what: str
    is_fault: bool
    gap: Gap
    p_value: float


@dataclass(frozen=True)
class Breakdown:
    """Rates by cell, or by the levels of one attribute.

    Attributes
    ----------
    where : str
        "cells", or the attribute.
    groups : tuple of GroupRates
    gaps : tuple of NamedGap
    """

    where: str
    groups: tuple[GroupRates, ...]
    gaps: tuple[NamedGap, ...]


def break_down(
    compared: Compared, by: Groups, levels: NDArray[np.int8], *, seed: int = 0
) -> tuple[Breakdown, ...]:
    """Return the rates and gaps by cell, and by each attribute where there are several.

    Parameters
    ----------
    compared : Compared
        On n images.
    by : Groups
        Attributes to group by, A of them.
    levels : numpy.ndarray, shape (n, A), int8
        Verified levels of them.
    seed : int
        Of bootstrap and simulated tests.
    """
    parts: list[tuple[str, Sequence[str], NDArray[np.int64]]] = [
        (CELLS, by.cells, by.cell_of(levels))
    ]
    if len(by.names) > 1:
        parts += [
            (a.name, [f"{a.name}={level}" for level in a.levels], levels[:, i].astype(np.int64))
            for i, a in enumerate(by.attributes)
        ]
    found = []
    for where, names, group in parts:
        rates = group_rates(compared, names, group, seed=seed)
        found.append(Breakdown(where, rates, _gaps(where, rates, seed)))
    return tuple(found)


def _gaps(where: str, rates: Sequence[GroupRates], seed: int) -> tuple[NamedGap, ...]:
    """Return the gaps of one breakdown; answers are compared only where no truth is known."""
    asked: list[tuple[str, str, bool, list[Rate]]] = [
        (f"error_gap:{where}", "error rate", True, [g.error for g in rates]),
        (f"abstention_gap:{where}", "rate of abstention", True, [g.abstention for g in rates]),
    ]
    if not sum(g.error.n for g in rates):
        for i, told in enumerate(rates[0].levels):
            shares = [g.levels[i].answered for g in rates]
            code = f"answer_gap:{where}:{told.level}"
            asked.append((code, f"share of answers {told.level!r}", False, shares))
    found = []
    for code, what, is_fault, told_rates in asked:
        gap = largest_gap(
            [g.name for g in rates],
            [rate.count for rate in told_rates],
            [rate.n for rate in told_rates],
            seed=seed,
        )
        if gap is not None:
            found.append(NamedGap(code, what, is_fault, gap, np.nan))
    return tuple(found)

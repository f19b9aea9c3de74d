"""False matches by cell, level and pair of cells, with gaps that are tested as one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.named_gaps import NamedGap, gap_of_shares
from equipoise.audit.rates import CELLS
from equipoise.audit.verification.rates import (
    Faces,
    discrepancy,
    false_matches_between,
    false_matches_within,
    garbe,
)
from equipoise.audit.verification.record import FALSE_MATCHES, FALSE_NON_MATCHES, MatchTable
from equipoise.audit.verification.spread import rates_together, spread_of
from equipoise.core.attributes import AttributeGrid
from equipoise.stats.group_gaps import holm
from equipoise.stats.shares import Share

BETWEEN = "pairs of cells"
"""Name of the table of false matches between two cells."""


def match_tables(
    faces: Faces,
    by: AttributeGrid,
    levels: NDArray[np.int8],
    threshold: float,
    dependence: float | None,
    failures: Sequence[Share] = (),
    genuine: Sequence[Share] = (),
    *,
    seed: int = 0,
) -> tuple[list[MatchTable], NamedGap | None]:
    """Return the tables within cells, within levels of several attributes, and between cells.

    A last one has the false non-matches, where there are photographs of people. p-values are
    adjusted by Holm's method over all gaps, that of the failures included.

    Parameters
    ----------
    faces : Faces
        n faces in the cells.
    by : AttributeGrid
        The A attributes to group by.
    levels : numpy.ndarray, shape (n, A), int8
        Of the faces.
    threshold : float
        Cosine similarity from which on two faces match.
    dependence : float or None
        As from `dependence_of` all pairs; None where none matches.
    failures : sequence of Share
        Of each cell, images without a descriptor.
    genuine : sequence of Share
        Of each cell, false non-matches; none without photographs of people.
    seed : int
        Of the simulated tests, in [0, 2**63).

    Returns
    -------
    tables : list of MatchTable
    failed : NamedGap or None
        The gap of failures; None where there was no failure.
    """
    tables = [_table(CELLS, false_matches_within(faces, threshold, dependence), seed)]
    if len(by.names) > 1:
        for a, attribute in enumerate(by.attributes):
            names = tuple(f"{attribute.name}={level}" for level in attribute.levels)
            part = replace(faces, names=names, group=levels[:, a].astype(np.int64))
            within = false_matches_within(part, threshold, dependence)
            tables.append(_table(attribute.name, within, seed))
    tables.append(_table(BETWEEN, false_matches_between(faces, threshold, dependence), seed))
    if known := tuple(rate for rate in genuine if rate.n):
        tables.append(_table(CELLS, known, seed, FALSE_NON_MATCHES))
    return _adjusted(tables, _failure_gap(failures, seed))


def _table(
    where: str, rates: tuple[Share, ...], seed: int, what: str = FALSE_MATCHES
) -> MatchTable:
    """Return a table of rates with the gap between them; tests count independent pairs."""
    check_id = check_id_of(what, where)
    low, high = rates_together(rates)
    return MatchTable(
        where=where,
        rates=rates,
        gap=gap_of_shares(check_id, f"rate of {what}", rates, seed=seed),
        garbe=spread_of(garbe, rates, low, high),
        discrepancy=spread_of(discrepancy, rates, low, high),
        what=what,
    )


def check_id_of(what: str, where: str) -> str:
    """Return the `check_id` of the gap of a rate between groups."""
    kind = "false_match_gap" if what == FALSE_MATCHES else "false_non_match_gap"
    return f"{kind}:{where.replace(' ', '_')}"


def _failure_gap(failures: Sequence[Share], seed: int) -> NamedGap | None:
    """Return the gap of failures to describe a face; None where there was no failure."""
    if not any(rate.count for rate in failures):
        return None
    return gap_of_shares("failure_gap:cells", "rate of failures", failures, seed=seed)


def _adjusted(
    tables: Sequence[MatchTable], failed: NamedGap | None
) -> tuple[list[MatchTable], NamedGap | None]:
    """Return the gaps with p-values adjusted by Holm's method over all of them."""
    named = [table.gap for table in tables] + [failed]
    p_values = holm([np.nan if one is None else one.gap.p_value for one in named])
    adjusted = [
        None if one is None else replace(one, p_value=float(p))
        for one, p in zip(named, p_values, strict=True)
    ]
    found = [replace(table, gap=gap) for table, gap in zip(tables, adjusted[:-1], strict=True)]
    return found, adjusted[-1]

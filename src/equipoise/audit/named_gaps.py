"""Gaps between the groups of an audit, each with the name of its check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.stats.group_gaps import Gap, largest_gap, largest_mean_gap
from equipoise.stats.shares import Share


@dataclass(frozen=True, kw_only=True)
class NamedGap:
    """A gap of one rate between groups, and its check.

    Attributes
    ----------
    check_id : str
        Of its check.
    what : str
        The rate: "error rate", "rate of abstention", "rate of false 'yes'".
    is_fault : bool
        Whether the gap may be an issue. Shares of predictions may differ because the faces do.
    gap : Gap
    p_value : float
        Adjusted by Holm's method over the audit in `equipoise.audit.checks.adjust`; NaN before.
    trials : (int, int)
        Images that the rate is over, in the highest and in the lowest group.
    """

    check_id: str
    what: str
    is_fault: bool
    gap: Gap
    p_value: float
    trials: tuple[int, int]


def gap_of_shares(
    check_id: str, what: str, shares: Sequence[Share], *, is_fault: bool = True, seed: int = 0
) -> NamedGap | None:
    """Return the gap between the shares of groups; None for fewer than two with trials."""
    gap = largest_gap(
        [share.name for share in shares],
        [share.tested[0] for share in shares],
        [share.tested[1] for share in shares],
        seed=seed,
    )
    if gap is None:
        return None
    return _named(check_id, what, is_fault, gap, {share.name: share.n for share in shares})


def mean_gap(
    check_id: str,
    what: str,
    names: Sequence[str],
    values: NDArray[np.floating[Any]],
    group: NDArray[np.int64],
    weights: NDArray[np.float64] | None,
    is_fault: bool,
) -> NamedGap | None:
    """Return the gap between the means of groups; None for fewer than two with two values.

    Parameters
    ----------
    check_id, what, is_fault
        As of `NamedGap`.
    names : sequence of str
        Of the groups that occur, in order.
    values : numpy.ndarray, shape (n,)
        Those that are NaN are left out.
    group : numpy.ndarray, shape (n,), int64
    weights : numpy.ndarray, shape (n,), float64, or None
        Above 0.
    """
    usable = np.isfinite(values)
    parts = [usable & (group == k) for k in np.unique(group)]
    gap = largest_mean_gap(
        names,
        [values[rows] for rows in parts],
        None if weights is None else [weights[rows] for rows in parts],
    )
    if gap is None:
        return None
    trials = {name: int(rows.sum()) for name, rows in zip(names, parts, strict=True)}
    return _named(check_id, what, is_fault, gap, trials)


def _named(
    check_id: str, what: str, is_fault: bool, gap: Gap, trials: Mapping[str, int]
) -> NamedGap:
    return NamedGap(
        check_id=check_id,
        what=what,
        is_fault=is_fault,
        gap=gap,
        p_value=np.nan,
        trials=(trials[gap.highest], trials[gap.lowest]),
    )

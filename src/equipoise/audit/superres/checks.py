"""Checks of flips between groups, by `equipoise.audit.decision_rule`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import nan

from equipoise.audit.checks import gap_check
from equipoise.audit.decision_rule import outcome_of, size_of
from equipoise.audit.named_gaps import NamedGap
from equipoise.audit.superres.flips import Change, Flips, GroupFlips
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate
from equipoise.core.numbers import estimate, p_text, percent
from equipoise.stats.group_gaps import holm

Pending = tuple[float, Callable[[float], Check]]
"""A p-value, and what makes the check of the test once it is corrected for all tests."""


def pending_gap(
    named: NamedGap,
    tolerance: float,
    groups: int,
    write: Callable[[float | None], str] = percent,
) -> Pending:
    """Return the check of a gap, to be made from its corrected p-value.

    Parameters
    ----------
    named, tolerance, groups, write
        As for `gap_check`.
    """

    def check(p_value: float) -> Check:
        return gap_check(replace(named, p_value=p_value), tolerance, groups, write)

    return named.gap.p_value, check


def flip_checks(
    tables: Sequence[Flips], tolerance: float, unasked: int = 0, further: Sequence[Pending] = ()
) -> tuple[Check, ...]:
    """Return the checks of all tables: gaps, flips beyond re-encoding, changes of shares.

    Parameters
    ----------
    tables : sequence of Flips
        Those between cells first.
    tolerance : float
        Largest gap or change that is tolerated, in [0, 1).
    unasked : int
        Restored images to which the panel gave no answer; the tables count them as unknown.
    further : sequence
        Other tests of the audit, corrected together with these, by Holm's method.
    """
    cells = tables[0].groups
    every = [*(table.overall for table in tables), *cells]
    pending: list[Pending] = [_gap_check(table, tolerance) for table in tables]
    pending += [
        (group.p_value, partial(_beyond_check, group, tolerance=tolerance)) for group in every
    ]
    pending += [
        (table.asymmetry, partial(_exchange_check, table, tolerance=tolerance)) for table in tables
    ]
    pending += further
    adjusted = holm([p_value for p_value, _ in pending]).tolist()
    checks = [make(p_value) for (_, make), p_value in zip(pending, adjusted, strict=True)]
    return (*checks, _abstentions(cells, unasked))


def _gap_check(table: Flips, tolerance: float) -> Pending:
    check_id = f"flip_gap:{table.where}"
    if table.gap is None:
        title = f"Is the flip rate equal over {len(table.groups)} groups?"
        words = "Fewer than two groups have restored images of known level."
        nothing = Check(check_id=check_id, title=title, outcome="not applicable", words=words)
        return nan, lambda _: nothing
    sizes = {group.name: group.flips.n for group in table.groups}
    named = NamedGap(
        check_id=check_id,
        what="flip rate",
        is_fault=True,
        gap=table.gap,
        p_value=nan,
        trials=(sizes[table.gap.highest], sizes[table.gap.lowest]),
    )
    return pending_gap(named, tolerance, len(table.groups))


def _beyond_check(group: GroupFlips, p_value: float, tolerance: float) -> Check:
    check_id = f"flip_beyond_reencoding:{group.name}"
    title = f"Are flips ({group.name}) no more frequent after restoration than after JPEG?"
    found = group.beyond
    if found.value != found.value:
        words = "No image has a known level both after restoration and after JPEG."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    outcome = outcome_of(found, p_value, tolerance)
    words = (
        f"{group.flips.count} of {group.flips.n} flip after restoration, {group.reencoded.count} "
        f"of {group.reencoded.n} after JPEG: the difference is {_numbers(found, p_value)}."
    )
    if group.toward:
        most = group.toward[0]
        words += f" Most become {most.name} ({most.count})."
    return Check(
        check_id=check_id,
        title=title,
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=found, p_value=p_value),
    )


def _exchange_check(table: Flips, p_value: float, tolerance: float) -> Check:
    check_id = f"representation:{table.where}"
    title = f"Does each of {len(table.names)} groups gain as many images as it loses?"
    known = [c for c in table.changes if c.difference.value == c.difference.value]
    if not known:
        return Check(
            check_id=check_id,
            title=title,
            outcome="not applicable",
            words="No restored image has a known level.",
        )
    found = largest_change(known)
    up = max(known, key=lambda change: change.difference.value)
    down = min(known, key=lambda change: change.difference.value)
    words = "No share changes"
    if found.value > 0:
        words = (
            f"{up.name} gains most, from {up.before} to {up.after} images, and {down.name} loses "
            f"most, from {down.before} to {down.after}"
        )
    words += f": the largest change of a share is {_numbers(found, p_value)}."
    outcome = outcome_of(found, p_value, tolerance)
    return Check(
        check_id=check_id,
        title=title,
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=found, p_value=p_value),
    )


def largest_change(changes: Sequence[Change]) -> Estimate:
    """Return the largest change of a share in size, with an interval that allows for its selection.

    When all intervals hold, it lies between the largest lower end and the largest upper end of the
    sizes of all changes.
    """
    sizes = [size_of(change.difference) for change in changes]
    return Estimate(
        max(size.value for size in sizes),
        max(size.low for size in sizes),
        max(size.high for size in sizes),
    )


def _abstentions(cells: Sequence[GroupFlips], unasked: int) -> Check:
    n, unknown = sum(group.n for group in cells), sum(group.unknown for group in cells)
    unknown -= unasked
    words = f"It abstains on {unknown:,} of {n:,}."
    if unknown:
        words += " They do not count as flips, and are left out of all rates."
    return Check(
        check_id="abstentions",
        title="Does the panel predict a level for every restored image?",
        outcome="tip" if unknown else "passed",
        words=words,
        evidence=Evidence(estimate=Estimate(unknown / n)),
    )


def _numbers(found: Estimate, p_value: float) -> str:
    interval = estimate(found, percent)
    return f"{interval}, p = {p_text(p_value)} corrected"

"""From flips to checks, by `equipoise.audit.decision_rule`."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.audit.checks import gap_check
from equipoise.audit.decision_rule import outcome_of, size_of
from equipoise.audit.rates import NamedGap
from equipoise.audit.superres.flips import Change, Flips, GroupFlips
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate
from equipoise.stats.group_gaps import holm


def flip_checks(tables: Sequence[Flips], tolerance: float, unasked: int = 0) -> tuple[Check, ...]:
    """Return the checks of all tables: flips beyond re-encoding, also by cell, gaps, exchanges.

    Parameters
    ----------
    tables : sequence of Flips
        Between cells first.
    tolerance : float
        In [0, 1).
    unasked : int
        Restored images on which the panel could not be asked; the tables count them as unknown.
    """
    cells = tables[0].groups
    asked = [*(table.overall for table in tables), *cells]
    gaps = [table.gap.p_value if table.gap else float("nan") for table in tables]
    beyond = [group.p_value for group in asked]
    adjusted = holm([*gaps, *beyond, *(table.asymmetry for table in tables)]).tolist()
    end = len(gaps) + len(beyond)
    checks = [
        _gap_check(table, p, tolerance)
        for table, p in zip(tables, adjusted[: len(gaps)], strict=True)
    ]
    checks += [
        _beyond_check(group, p, tolerance)
        for group, p in zip(asked, adjusted[len(gaps) : end], strict=True)
    ]
    checks += [
        _exchange_check(table, p, tolerance)
        for table, p in zip(tables, adjusted[end:], strict=True)
    ]
    return (*checks, _abstentions(cells, unasked))


def _gap_check(table: Flips, p_value: float, tolerance: float) -> Check:
    check_id = f"flip_gap:{table.where}"
    if table.gap is None:
        title = f"Is the flip rate equal over {len(table.groups)} groups?"
        words = "Fewer than two groups have restored images of known level."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    named = NamedGap(
        check_id=check_id, what="flip rate", is_fault=True, gap=table.gap, p_value=p_value
    )
    return gap_check(named, tolerance, len(table.groups))


def _beyond_check(group: GroupFlips, p_value: float, tolerance: float) -> Check:
    check_id = f"flip_beyond_reencoding:{group.name}"
    title = f"Are flips ({group.name}) no more frequent when restored than under JPEG?"
    found = group.beyond
    if found.value != found.value:
        words = "No image of it is known both when restored and when encoded anew."
        return Check(check_id=check_id, title=title, outcome="not applicable", words=words)
    outcome = outcome_of(found, p_value, tolerance)
    words = (
        f"{group.flips.count} of {group.flips.n} flip when restored, {group.reencoded.count} of "
        f"{group.reencoded.n} when encoded anew: {_numbers(found, p_value)}."
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
    title = f"Does each of {len(table.names)} groups gain as much as it loses?"
    told = [c for c in table.changes if c.difference.value == c.difference.value]
    if not told:
        return Check(
            check_id=check_id,
            title=title,
            outcome="not applicable",
            words="No restored image is of known level.",
        )
    found = largest_change(told)
    up = max(told, key=lambda change: change.difference.value)
    down = min(told, key=lambda change: change.difference.value)
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
    """Return the largest change of a share, either way, with an interval that knows of the choice.

    When all intervals hold, it is between the largest lower and the largest upper end of any
    change's size.
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
        words += " They are no flips, and count nowhere else."
    return Check(
        check_id="abstentions",
        title="Can the panel tell every restored image?",
        outcome="tip" if unknown else "passed",
        words=words,
        evidence=Evidence(estimate=Estimate(unknown / n)),
    )


def _numbers(found: Estimate, p_value: float) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%}), p = {p_value:.2g} corrected"

"""Plots of audits: rates of groups with their intervals, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from equipoise.audit.age.record import AgeAudit, AgeBreakdown
from equipoise.audit.photographs.record import AgreementOfRates, PhotographsAudit
from equipoise.audit.rates import Breakdown
from equipoise.audit.record import ClassifierAudit
from equipoise.audit.shown import ShownAudit
from equipoise.audit.superres.flips import Flips
from equipoise.audit.superres.record import SuperresAudit
from equipoise.audit.verification.record import MatchTable, VerificationAudit
from equipoise.report.figures import Figure
from equipoise.report.html import worst_first
from equipoise.report.plots import interval_figure, share_figure

_ERROR_AXIS = "rate, with the exact 95 % interval of each"
_FLIP_AXIS = "rate of flips, with the exact 95 % interval of each"
_MATCH_AXIS = "rate of false matches, with the 95 % interval of each"
_AGE_AXIS = "years, with the 95 % interval of each"
_MOST_BARS = 24


def error_figure(part: Breakdown) -> Figure:
    """Plot error rates, or shares of predictions without a truth, and abstentions."""
    groups = part.groups
    ordered = worst_first(groups, "error")
    series = [("errors", [group.error for group in ordered])]
    if not any(group.error.n for group in groups):
        series = [
            (f"predicted {of.level}", [group.levels[i].answered for group in ordered])
            for i, of in enumerate(ordered[0].levels)
        ]
    if any(group.abstention.count for group in groups):
        series.append(("abstentions", [group.abstention for group in ordered]))
    return share_figure(series, _ERROR_AXIS)


def flip_figure(table: Flips) -> Figure:
    """Plot the flips of each group after restoration and after JPEG."""
    ordered = worst_first(table.groups, "flips")
    return share_figure(
        [
            ("JPEG", [group.reencoded for group in ordered]),
            ("restored", [group.flips for group in ordered]),
        ],
        _FLIP_AXIS,
    )


def match_figure(table: MatchTable) -> Figure:
    """Plot the highest rates of false matches."""
    rates = sorted(table.rates, key=lambda rate: -rate.share)[:_MOST_BARS]
    return share_figure([("false matches", rates)], _MATCH_AXIS)


def age_figure(part: AgeBreakdown) -> Figure:
    """Plot mean absolute error and mean error in years."""
    groups = part.groups
    return interval_figure(
        [group.name for group in groups],
        [
            ("mean absolute error", [group.absolute for group in groups]),
            ("mean error", [group.signed for group in groups]),
        ],
        _AGE_AXIS,
    )


def agreement_figure(part: AgreementOfRates) -> Figure:
    """Plot the errors on generated images beside those on photographs."""
    return share_figure(
        [
            ("generated images", [pair.synthetic for pair in part.pairs]),
            ("photographs", [pair.real for pair in part.pairs]),
        ],
        _ERROR_AXIS,
    )


_PLOTTED: dict[type[ShownAudit], tuple[str, Callable[[Any], Figure]]] = {
    ClassifierAudit: ("breakdowns", error_figure),
    SuperresAudit: ("flips", flip_figure),
    VerificationAudit: ("tables", match_figure),
    AgeAudit: ("breakdowns", age_figure),
    PhotographsAudit: ("agreements", agreement_figure),
}


def plotted(audit: ShownAudit) -> tuple[Sequence[Any], Callable[[Any], Figure]]:
    """Return the parts of an audit that are plotted, and what plots one of them."""
    field, draw = _PLOTTED[type(audit)]
    return getattr(audit, field), draw

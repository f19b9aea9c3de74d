"""Plots of audits, as SVG: rates of groups with their intervals, the worst first."""

from __future__ import annotations

from equipoise.audit.rates import Breakdown
from equipoise.audit.superres.flips import Flips
from equipoise.audit.verification.record import MatchTable
from equipoise.report.html import worst_first
from equipoise.report.plots import share_bars

_ERROR_AXIS = "rate, with the exact 95 % interval of each"
_FLIP_AXIS = "rate of flips, with the exact 95 % interval of each"
_MATCH_AXIS = "rate of false matches, with the 95 % interval of each"
_MOST_BARS = 24


def error_bars(part: Breakdown) -> str:
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
    return share_bars(series, _ERROR_AXIS)


def flip_bars(table: Flips) -> str:
    """Plot the flips of each group after restoration and after JPEG."""
    ordered = worst_first(table.groups, "flips")
    return share_bars(
        [
            ("JPEG", [group.reencoded for group in ordered]),
            ("restored", [group.flips for group in ordered]),
        ],
        _FLIP_AXIS,
    )


def match_bars(table: MatchTable) -> str:
    """Plot the highest rates of false matches."""
    rates = sorted(table.rates, key=lambda rate: -rate.share)[:_MOST_BARS]
    return share_bars([("false matches", rates)], _MATCH_AXIS)

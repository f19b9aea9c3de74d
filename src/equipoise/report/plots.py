"""Plots of a report, as SVG text."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from equipoise.measure.representation import MixShare
from equipoise.methods.tilt.fit import FrontierPoint
from equipoise.stats.shares import Share

COLOURS = ("#9aa0a6", "#1a73e8", "#e8710a", "#188038", "#a142f4")


def to_svg(figure: Figure) -> str:
    """Return the figure as an <svg> element, the same for the same figure."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "equipoise"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return text.getvalue()[text.getvalue().index("<svg") :]


def share_bars(
    series: Sequence[tuple[str, Sequence[Share]]],
    label: str = "share of images, with 95 % intervals for all together",
) -> str:
    """Draw shares with their intervals, one group of bars a cell or level, and the target's mark.

    Parameters
    ----------
    series : sequence of (str, sequence of Share)
        A legend and its shares; all of the same names.
    label : str
        Of the axis.

    Returns
    -------
    str
        An <svg> element.
    """
    names = [share.name for share in series[0][1]]
    height = 0.8 / len(series)
    figure = Figure(figsize=(7.2, 0.55 + len(names) * (0.2 + 0.17 * len(series))))
    axes = figure.subplots()
    for i, (legend, shares) in enumerate(series):
        places = [k + (i - (len(series) - 1) / 2) * height for k in range(len(names))]
        values = [share.share if share.n else 0.0 for share in shares]
        bounds = [_bounds(share) for share in shares]
        reach = [
            [max(v - low, 0) for v, (low, _) in zip(values, bounds, strict=True)],
            [max(high - v, 0) for v, (_, high) in zip(values, bounds, strict=True)],
        ]
        colour = COLOURS[i % len(COLOURS)]
        axes.barh(places, values, height * 0.92, color=colour, label=legend)
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor="#202124", elinewidth=1)
    wanted = [share.target for share in series[0][1] if isinstance(share, MixShare)]
    if targets := [target for target in wanted if target is not None]:
        axes.vlines(
            targets,
            [k - 0.46 for k in range(len(names))],
            [k + 0.46 for k in range(len(names))],
            colors="#202124",
            linestyles="dashed",
            label="target",
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return to_svg(figure)


def _bounds(share: Share) -> tuple[float, float]:
    """Return the interval to draw: that of all cells together, where there is one."""
    if not share.n:
        return 0.0, 0.0
    return share.joint if isinstance(share, MixShare) else (share.low, share.high)


def confusion_map(names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Draw requested (rows) against achieved (columns, the last unknown) as shares of each row."""
    rows = [[value / max(sum(row), 1) for value in row] for row in counts]
    size = 1.6 + 0.5 * len(names)
    figure = Figure(figsize=(size + 2.2, size))
    axes = figure.subplots()
    axes.imshow(rows, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            colour = "white" if value > 0.6 else "#202124"
            if value >= 0.005:
                axes.text(x, y, f"{value:.0%}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(names) + 1), [*names, "unknown"], rotation=45, ha="right")
    axes.set_ylabel("requested")
    axes.set_xlabel("achieved")
    return to_svg(figure)


def frontier_plot(points: Sequence[FrontierPoint], beta: float) -> str:
    """Draw closeness against calls for each sharpness, the chosen one ringed.

    A sharpness at which some cell never comes out has no finite number of calls, and no point.
    """
    figure = Figure(figsize=(6.0, 3.4))
    axes = figure.subplots()
    points = [point for point in points if math.isfinite(point.calls_per_verified_image)]
    calls = [point.calls_per_verified_image for point in points]
    distances = [point.distance for point in points]
    axes.plot(calls, distances, "o-", color=COLOURS[1])
    for point in points:
        place = (point.calls_per_verified_image, point.distance)
        axes.annotate(f"{point.beta:g}", place, (4, 5), textcoords="offset points", fontsize=9)
        if point.beta == beta:
            axes.plot(*place, "o", markersize=13, markerfacecolor="none", color=COLOURS[2])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("generator calls per verified image (fewer is purer)")
    axes.set_ylabel("distance to the target's codes")
    axes.spines[["top", "right"]].set_visible(False)
    return to_svg(figure)

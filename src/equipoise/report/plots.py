"""Plots of reports, as SVG, and as files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.files import atomic_path, storage
from equipoise.measure.representation import MixShare
from equipoise.methods.tilt.rules import FrontierPoint
from equipoise.report.figures import Figure, matplotlib
from equipoise.samplers.statements import CellStatement
from equipoise.stats.shares import Share

COLOURS = ("#9aa0a6", "#1a73e8", "#e8710a", "#188038", "#a142f4")
"""Colours of series, the prior's grey first."""

Part = TypeVar("Part")

INK = "#202124"
"""Colour of intervals, targets and text."""


@dataclass(frozen=True)
class Plot:
    """A plot that a notebook shows, and that is saved as a file.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    """

    figure: Figure

    def save(self, path: Path) -> None:
        """Write the plot with a white ground, in the format of the suffix.

        Parameters
        ----------
        path : Path
            .svg or .png.

        Raises
        ------
        InputError
            When the suffix is another.
        StorageError
            When the file cannot be written.
        """
        write_figure(self.figure, path)

    def _repr_svg_(self) -> str:
        # Its text is dark, whatever is behind it.
        return to_svg(self.figure).replace("<svg ", '<svg style="background:#fff" ', 1)


def plot_part(parts: Sequence[Part], draw: Callable[[Part], Figure], part: int) -> Plot:
    """Return the plot of one part of a record.

    Raises
    ------
    InputError
        When there is no such part.
    """
    if not 0 <= part < len(parts):
        raise InputError("part", f"must be in 0..{len(parts) - 1}", part, "Leave it out.")
    return Plot(draw(parts[part]))


def to_svg(figure: Figure) -> str:
    """Return a figure as an <svg> element; equal figures give equal text."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "equipoise"}):
        figure.savefig(
            text, format="svg", metadata={"Date": None}, bbox_inches="tight", transparent=True
        )
    found = text.getvalue()[text.getvalue().index("<svg") :]
    return found.replace("<svg", '<svg class="plot"', 1)


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure with a white ground, in the format of the suffix.

    Parameters
    ----------
    figure : Figure
    path : Path
        .svg or .png.

    Raises
    ------
    InputError
        When the suffix is another.
    StorageError
        When the file cannot be written.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise InputError("plot", "must end in .svg or .png", path.name, "Pass --plot rates.svg.")
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "equipoise"}),
        storage(path),
        atomic_path(path) as part,
    ):
        kind = path.suffix[1:].lower()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(part, format=kind, dpi=200, bbox_inches="tight", metadata=metadata)


def share_bars(series: Sequence[tuple[str, Sequence[Share]]]) -> str:
    """Return `share_figure` as an <svg> element."""
    return to_svg(share_figure(series))


def share_figure(
    series: Sequence[tuple[str, Sequence[Share]]],
    label: str = "share of images, with simultaneous 95 % intervals",
) -> Figure:
    """Plot shares with their intervals and targets, as one group of bars per cell or level.

    Parameters
    ----------
    series : sequence of (str, sequence of Share)
        A legend and its shares, with the same names in all.
    label : str
        Label of the axis.
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
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor=INK, elinewidth=1)
    wanted = [share.target for share in series[0][1] if isinstance(share, MixShare)]
    if targets := [target for target in wanted if target is not None]:
        axes.vlines(
            targets,
            [k - 0.46 for k in range(len(names))],
            [k + 0.46 for k in range(len(names))],
            colors=INK,
            linestyles="dashed",
            label="target",
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    # Above the axes, where it covers no bar.
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return figure


def _bounds(share: Share) -> tuple[float, float]:
    """Return the interval to plot: the simultaneous one where there is one."""
    if not share.n:
        return 0.0, 0.0
    return share.joint if isinstance(share, MixShare) else (share.low, share.high)


def interval_figure(
    names: Sequence[str], series: Sequence[tuple[str, Sequence[Estimate]]], label: str
) -> Figure:
    """Plot estimates as points with their intervals, one row a name; missing ones are left out.

    Parameters
    ----------
    names : sequence of str
    series : sequence of (str, sequence of Estimate)
        A legend, and an estimate for each name.
    label : str
        Label of the axis.
    """
    height = 0.5 / len(series)
    figure = Figure(figsize=(7.2, 0.9 + len(names) * (0.14 + 0.14 * len(series))))
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for i, (legend, estimates) in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * height
        known = [(k + shift, e) for k, e in enumerate(estimates) if math.isfinite(e.value)]
        places, found = [place for place, _ in known], [e for _, e in known]
        ends = [(e.value, e.value) if math.isnan(e.low) else (e.low, e.high) for e in found]
        colour = COLOURS[1 + i % (len(COLOURS) - 1)]
        axes.hlines(places, [low for low, _ in ends], [high for _, high in ends], colors=colour)
        axes.plot([e.value for e in found], places, "o", markersize=4, color=colour, label=legend)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return figure


def confusion_figure(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Plot requested (rows) against achieved cells (columns, the last unknown), as shares of rows.

    Parameters
    ----------
    names : sequence of str
        K cells.
    counts : sequence of sequence of int, shape (K, K + 1)
    """
    rows = [[value / max(sum(row), 1) for value in row] for row in counts]
    size = 1.6 + 0.5 * len(names)
    figure = Figure(figsize=(size + 2.2, size))
    axes = figure.subplots()
    axes.imshow(rows, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            colour = "white" if value > 0.6 else INK
            if value >= 0.005:
                axes.text(x, y, f"{value:.0%}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(names) + 1), [*names, "unknown"], rotation=45, ha="right")
    axes.set_ylabel("requested")
    axes.set_xlabel("achieved")
    return figure


def frontier_figure(points: Sequence[FrontierPoint], chosen: Sequence[CellStatement]) -> Figure:
    """Plot calls per verified image against faithfulness, one curve a cell.

    Parameters
    ----------
    points : sequence of FrontierPoint
        From the greatest recall to the least.
    chosen : sequence of CellStatement
        What was chosen for each cell, marked by a ring; stages of refused candidates are counted
        in its calls and not in the curves.
    """
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.subplots()
    for k, choice in enumerate(chosen):
        own = [point.cells[k] for point in points]
        known = [cell for cell in own if math.isfinite(cell.calls.value)]
        colour = f"C{k % 10}"
        axes.plot(
            [cell.faithfulness.value for cell in known],
            [cell.calls.value for cell in known],
            ".-",
            color=colour,
            label=choice.cell,
        )
        if math.isfinite(choice.calls.value):
            place = (choice.faithfulness.value, choice.calls.value)
            axes.plot(*place, "o", markersize=10, markerfacecolor="none", color=colour)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("faithfulness: 1 less the total variation to the generator's own images")
    axes.set_ylabel("calls per verified image")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure

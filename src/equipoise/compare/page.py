"""Results of comparisons as a Markdown page with tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from equipoise.compare.baselines import BASELINES, CALIBRATED, PAPER, REJECTION, RESAMPLING
from equipoise.compare.scores import Result, Score
from equipoise.compare.stored import Refused
from equipoise.core.files import write_text
from equipoise.core.numbers import decimals
from equipoise.report.figures import Figure
from equipoise.report.plots import COLOURS, INK, to_svg

EXPLANATION = """\
Values are means over the seeds. Every method gets the same number of classified images: labels of
the prior, directed labels ({directed:.0%} of the tilt's) and those of calibration count alike.

- KL is the divergence from the target, in nats; its floor is the mean for exact sampling.
- Faithfulness is 1 less the total variation between a method's (weighted) images of a cell and the
  generator's own, where the density of its draws is known; of the least faithful cell.
- Distinguished is a lower bound of the total variation, for all methods alike: a logistic
  regression on the features, fitted to one half of the images and read on the other, distinguishes
  images of a cell from those by rejection; mean over cells, 0 where it fails.
- Excess is how much further a method's images of a cell are from the generator's own than as many
  of these are, by the squared Frechet distance, in % of the cell's variance: mean over cells, and
  largest. It is 0 on average for a perfect method, as far as the row of rejection is (which is 0
  where the pool has two references only). With few images beside the dimensions it is too small
  where images vary too little, or carry weights. Features in "pixels" are a fixed projection of
  12x12 pixels to 48 dimensions, and in "age" the last 256 features of a network that estimates age.
- Effective is the effective number of images as a share of their number, mean over cells: weights
  that differ, and images that are repeated, make it less.
- Coverage (nearest neighbours, mean over cells) is better when higher.
- Calls are those of generator and classifiers per image whose achieved cell is the requested one,
  or per delivered image where no cell is requested, with the stages that were read at measured
  cost. Classified images that a method learns from are not in them.
- Cheaper from: the number of effective images from which on a method costs less than rejection,
  with all images that it learns from.

Importance resampling repeats labelled codes. The time to fit includes directed labelling and
calibration where they are not stored.
"""

_SUMMARISED = """\
Summary of all cases. The paper's method is taken at the distance that meets the target best, with
calibrated requests; the tilt is verified at the wanted faithfulness where no other mode is named.
"""


_decimals = partial(decimals, missing="-")
"""Format of numbers in the tables; "-" stands for a cell that is never achieved."""


def columns(seeds: Sequence[Mapping[str, Result]]) -> tuple[str, ...]:
    """Return the headings of a case's table."""
    distances = [f"excess, {name}" for name in _features(seeds)]
    bounds = ("faithfulness", "distinguished")
    costs = ("calls", "cheaper from", "fit, s", "draw, s / 1,000")
    return ("method", "KL (floor)", *bounds, *distances, "effective", "coverage", *costs)


def rows(seeds: Sequence[Mapping[str, Result]]) -> list[tuple[str, ...]]:
    """Return one row of text per method, with means over seeds under the headings of `columns`."""
    names = _features(seeds)
    lines: list[tuple[str, ...]] = []
    for method in BASELINES:
        found = _scores(seeds, method)
        if not found:
            continue
        covered, effective = (
            [value for r in found for value in getattr(r, what) if not np.isnan(value)]
            for what in ("coverage", "effective")
        )
        lines.append(
            (
                method,
                f"{_decimals(_mean(found, 'kl'), 4)} ({_decimals(_mean(found, 'kl_floor'), 4)})",
                _decimals(_least_faithful(found)),
                _decimals(_distinguished(found)),
                *(_excess(found, name) for name in names),
                _decimals(float(np.mean(effective)) if effective else None),
                _decimals(float(np.mean(covered)) if covered else None),
                _decimals(_mean(found, "calls_verified")),
                _cheaper_from(method, found, _scores(seeds, REJECTION)),
                _decimals(_mean(found, "fit_seconds"), 0),
                _decimals(_mean(found, "draw_seconds")),
            )
        )
    return lines


SUMMARY = (
    *("case", "KL, tilt (floor)", "KL, paper", "distinguished, paper", "distinguished, tilt"),
    *("faithfulness, tilt", "calls, tilt", "calls, tilt exact", "calls, rejection"),
)
"""Headings of `summary`."""


def summary(cases: Mapping[str, Sequence[Mapping[str, Result]]]) -> list[tuple[str, ...]]:
    """Return one row of text per case, with means over seeds under the headings of `SUMMARY`.

    Of the paper's calibrated rows the one with the least KL is used.
    """
    lines = []
    for title, seeds in cases.items():
        paper = [
            _scores(seeds, method)
            for method in BASELINES
            if method.startswith(PAPER) and method.endswith(CALIBRATED)
        ]
        best = min(filter(None, paper), key=lambda found: _mean(found, "kl"), default=[])
        one_shot, verified, exact, rejection = (
            _scores(seeds, method)
            for method in ("tilt, one-shot", "tilt, verified", "tilt, verified, exact", REJECTION)
        )
        lines.append(
            (
                f"[{title}](#{_anchor(_heading(title, seeds))})",
                f"{_decimals(_mean(one_shot, 'kl'), 4)} "
                f"({_decimals(_mean(one_shot, 'kl_floor'), 4)})",
                _decimals(_mean(best, "kl"), 4),
                *(_decimals(_distinguished(found)) for found in (best, verified)),
                _decimals(_least_faithful(verified)),
                *(
                    _decimals(_mean(found, "calls_verified"))
                    for found in (verified, exact, rejection)
                ),
            )
        )
    return lines


def plot(seeds: Sequence[Mapping[str, Result]]) -> str:
    """Plot KL, and how far images are distinguished, of each method, one dot per seed, as SVG."""
    names = [method for method in BASELINES if _scores(seeds, method)]
    figure = Figure(figsize=(9.0, 0.7 + 0.32 * len(names)))
    left, right = figure.subplots(1, 2, sharey=True)
    for place, method in enumerate(names):
        colour = COLOURS[1] if method.startswith("tilt") else COLOURS[0]
        for r in _scores(seeds, method):
            # The logarithmic axis has no 0.
            left.plot(max(r.kl, 1e-5), place, "o", color=colour, alpha=0.8)
            apart = _distinguished([r])
            if apart is not None:
                right.plot(apart, place, "o", color=colour, alpha=0.8)
    floors = [r.kl_floor for method in names for r in _scores(seeds, method)]
    left.axvline(float(np.median(floors)), color=INK, linestyle="dashed", linewidth=1)
    left.set_xscale("log")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    for axes, label in (
        (left, "KL to the target (dashed: floor)"),
        (right, "distinguished from the generator's own (0 is best)"),
    ):
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return to_svg(figure)


def write_page(
    path: Path,
    command: str,
    cases: Mapping[str, Sequence[Mapping[str, Result]]],
    directed: float,
) -> None:
    """Write a Markdown page with a table and a plot per case; plots are SVG files beside it.

    Parameters
    ----------
    path : Path
        Of the page.
    command : str
        The command that made the results.
    cases : mapping of str to sequence of mapping
        For each case the results of its seeds, by method.
    directed : float
        Share of the tilt's labels that were directed, in [0, 1).
    """
    explained = EXPLANATION.format(directed=directed)
    lines = ["# Methods side by side", "", f"`{command}`", "", explained]
    if len(cases) > 1:
        lines += [_SUMMARISED, *markdown_table(SUMMARY, summary(cases)), ""]
    for number, (title, seeds) in enumerate(cases.items()):
        picture = path.with_name(f"{path.stem}-{number}.svg")
        write_text(picture, plot(seeds))
        lines += [f"## {_heading(title, seeds)}", "", *markdown_table(columns(seeds), rows(seeds))]
        lines += ["", *left_out(seeds), f"![{title}]({picture.name})", ""]
    write_text(path, "\n".join(lines))


def left_out(seeds: Sequence[Mapping[str, Result]]) -> list[str]:
    """Return which methods were refused, or did less than was asked, as lines of Markdown."""
    lines = []
    for method in BASELINES:
        found = [results[method] for results in seeds if method in results]
        for r in found:
            words = f"refused: {r.refused}" if isinstance(r, Refused) else r.note
            line = f"- {method}: {words.removesuffix('.')}."
            if words and line not in lines:
                lines.append(line)
    return ["Refused, or not quite as the others:", "", *lines, ""] if lines else []


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [row(headings), "|---" * len(headings) + "|", *map(row, lines)]


def _heading(title: str, seeds: Sequence[Mapping[str, Result]]) -> str:
    return f"{title} ({len(seeds)} seed{'s' * (len(seeds) > 1)})"


def _anchor(heading: str) -> str:
    """Return the anchor of a heading in Markdown: lower case, hyphens, no punctuation."""
    plain = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return plain.replace(" ", "-")


def _features(seeds: Sequence[Mapping[str, Result]]) -> list[str]:
    """Return the names of the features whose distances the results hold."""
    return list(next(r.excess for s in seeds for r in s.values() if isinstance(r, Score)))


def _excess(found: Sequence[Score], name: str) -> str:
    """Return the mean over seeds and cells, and the largest of a cell, in %, as text."""
    rows = np.array([r.excess[name] for r in found])
    known = ~np.isnan(rows)
    if not known.any():
        return "-"
    cells = [float(rows[known[:, k], k].mean()) for k in range(rows.shape[1]) if known[:, k].any()]
    return f"{100 * rows[known].mean():.1f}, {100 * max(cells):.1f}"


def _cheaper_from(method: str, found: Sequence[Score], rejection: Sequence[Score]) -> str:
    """Return the effective images from which on a method costs less than rejection, as text."""
    # Labelled codes that are drawn again and again have no more effective images than labels.
    if not rejection or not found[0].labels or method == RESAMPLING:
        return "-"
    wanted = np.array(rejection[0].shares)  # Those of the target.
    calls = np.mean([r.calls_verified * (wanted / r.effective).sum() for r in found])
    saved = _mean(rejection, "calls_verified") - calls
    if not np.isfinite(saved):
        return "-"
    return f"{_mean(found, 'labels') / saved:,.0f}" if saved > 0 else "never"


def _least_faithful(found: Sequence[Score]) -> float | None:
    known = [min(r.faithfulness) for r in found if r.faithfulness is not None]
    return float(np.mean(known)) if known else None


def _distinguished(found: Sequence[Score]) -> float | None:
    """Return the mean over seeds and cells; None where no cell has enough images."""
    values = [value.value for r in found for value in r.distinguished if np.isfinite(value.value)]
    return max(float(np.mean(values)), 0.0) if values else None


def _scores(seeds: Sequence[Mapping[str, Result]], method: str) -> list[Score]:
    found = (results.get(method) for results in seeds)
    return [result for result in found if isinstance(result, Score)]


def _mean(found: Sequence[Score], name: str) -> float:
    """Return a mean; NaN where a value is missing or infinite."""
    values = [getattr(result, name) for result in found]
    return float(np.mean(values)) if values and np.isfinite(values).all() else np.nan

"""Results of comparisons as tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from equipoise.compare.baselines import BASELINES, PAPER
from equipoise.compare.scores import Result, Score
from equipoise.core.files import write_text
from equipoise.core.numbers import fixed
from equipoise.report.plots import COLOURS, to_svg

EXPLANATION = """\
Means over the seeds. KL is to the uniform target, in nats; its floor is what exact sampling shows
on average. Frechet is a ratio to the distance between two balanced references made by rejection, so
a perfect method comes near 1; in pixels it sees a fixed projection of 12x12 pixels to 48
dimensions, in age the last features of a network that guesses ages. Of each method as many images
are compared as a reference has. Coverage (nearest neighbours, mean over cells) is better when
higher. Calls are generator calls per image that came out as requested where cells are requested,
else per delivered image. Importance resampling repeats labelled codes: it has no more images than
its effective sample size. Each method learns from as many labels; of the tilt's, {directed:.0%} are
directed, the others of the prior. To fit a tilt takes directed labelling, fitting and calibrating;
where labels were there from a stopped run, it took less time.
"""

_SUMMARISED = """\
All cases first: the tilt one-shot beside the paper at the distance that meets the target best, and
the cost of images that come out as requested.
"""


def columns(seeds: Sequence[Mapping[str, Result]]) -> tuple[str, ...]:
    """Return the headings of a table."""
    distances = [f"Frechet, {name}" for name in _features(seeds)]
    return ("method", "KL (floor)", *distances, "coverage", "calls", "fit, s", "draw, s / 1,000")


def rows(seeds: Sequence[Mapping[str, Result]]) -> list[tuple[str, ...]]:
    """Return a row of text a method, the values under `columns`, as means over seeds."""
    names = _features(seeds)
    lines: list[tuple[str, ...]] = []
    for method in BASELINES:
        found = _scores(seeds, method)
        if not found:
            continue
        ratios = [_mean_ratio(found, name) for name in names]
        covered = [c for r in found for c in r.coverage if not np.isnan(c)]
        lines.append(
            (
                method,
                f"{_mean(found, 'kl'):.4f} ({_mean(found, 'kl_floor'):.4f})",
                *(f"{ratio:.1f}" for ratio in ratios),
                f"{np.mean(covered):.2f}" if covered else "-",
                _shown(_mean(found, "calls_verified")),
                _shown(_mean(found, "fit_seconds"), 0),
                _shown(_mean(found, "draw_seconds")),
            )
        )
    return lines


SUMMARY = (
    *("case", "KL, tilt (floor)", "KL, paper", "Frechet, tilt", "Frechet, paper"),
    *("calls, tilt verified", "calls, rejection"),
)
"""Headings of `summary`."""


def summary(cases: Mapping[str, Sequence[Mapping[str, Result]]]) -> list[tuple[str, ...]]:
    """Return a row of text a case, the values under `SUMMARY`, as means over seeds.

    The paper's best is that of its rows with the least KL. Distances are ratios in the first
    features.
    """
    lines = []
    for title, seeds in cases.items():
        first = _features(seeds)[0]
        paper = [_scores(seeds, method) for method in BASELINES if method.startswith(PAPER)]
        best = min(filter(None, paper), key=lambda found: _mean(found, "kl"), default=[])
        tilt, verified, rejection = (
            _scores(seeds, method) for method in ("tilt, one-shot", "tilt, verified", "rejection")
        )
        lines.append(
            (
                f"[{title}](#{_anchor(_heading(title, seeds))})",
                f"{_shown(_mean(tilt, 'kl'), 4)} ({_shown(_mean(tilt, 'kl_floor'), 4)})",
                _shown(_mean(best, "kl"), 4),
                *(_shown(_mean_ratio(found, first), 1) for found in (tilt, best)),
                *(_shown(_mean(found, "calls_verified")) for found in (verified, rejection)),
            )
        )
    return lines


def plot(seeds: Sequence[Mapping[str, Result]]) -> str:
    """Draw KL and the ratio of Frechet distances of each method, a dot a seed, as SVG.

    Distances are those in the first features.
    """
    first = _features(seeds)[0]
    names = [method for method in BASELINES if _scores(seeds, method)]
    figure = Figure(figsize=(9.0, 0.7 + 0.32 * len(names)))
    left, right = figure.subplots(1, 2, sharey=True)
    for place, method in enumerate(names):
        colour = COLOURS[1] if method.startswith("tilt") else COLOURS[0]
        for r in _scores(seeds, method):
            left.plot(max(r.kl, 1e-5), place, "o", color=colour, alpha=0.8)
            right.plot(_ratio(r, first), place, "o", color=colour, alpha=0.8)
    floors = [r.kl_floor for method in names for r in _scores(seeds, method)]
    left.axvline(float(np.median(floors)), color="#202124", linestyle="dashed", linewidth=1)
    right.axvline(1, color="#202124", linestyle="dashed", linewidth=1)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    for axes, label in (
        (left, "KL to the target (dashed: floor)"),
        (right, f"Frechet in {first}, ratio"),
    ):
        axes.set_xscale("log")
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
    """Write a Markdown page with a table and a plot a case; plots lie beside it as SVG files.

    Parameters
    ----------
    path : Path
        Of the page.
    command : str
        What made the results.
    cases : mapping of str to sequence of mapping
        For each case the results of its seeds, by method.
    directed : float
        Share of the tilt's labels that was directed, in [0, 1).
    """
    explained = EXPLANATION.format(directed=directed)
    lines = ["# Methods side by side", "", f"`{command}`", "", explained]
    if len(cases) > 1:
        lines += [_SUMMARISED, *_table(SUMMARY, summary(cases)), ""]
    for number, (title, seeds) in enumerate(cases.items()):
        picture = path.with_name(f"{path.stem}-{number}.svg")
        write_text(picture, plot(seeds))
        lines += [f"## {_heading(title, seeds)}", "", *_table(columns(seeds), rows(seeds))]
        lines += ["", f"![{title}]({picture.name})", ""]
    write_text(path, "\n".join(lines))


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Write a table as Markdown."""
    told = [f"| {' | '.join(line)} |" for line in lines]
    return [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|", *told]


def _heading(title: str, seeds: Sequence[Mapping[str, Result]]) -> str:
    return f"{title} ({len(seeds)} seed{'s' * (len(seeds) > 1)})"


def _anchor(heading: str) -> str:
    """Return what Markdown calls a heading in links: lower case, no punctuation, hyphens."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _features(seeds: Sequence[Mapping[str, Result]]) -> list[str]:
    """Return the names of the features in which distances were taken."""
    return list(next(r.frechet for s in seeds for r in s.values() if isinstance(r, Score)))


def _ratio(result: Score, name: str) -> float:
    return float(result.frechet[name] / result.frechet_floor[name])


def _mean_ratio(found: Sequence[Score], name: str) -> float:
    return float(np.mean([_ratio(r, name) for r in found])) if found else np.nan


def _scores(seeds: Sequence[Mapping[str, Result]], method: str) -> list[Score]:
    found = (results.get(method) for results in seeds)
    return [result for result in found if isinstance(result, Score)]


def _mean(found: Sequence[Score], name: str) -> float:
    """Return a mean; NaN where a value is missing or infinite, as for a cell that never shows."""
    values = [getattr(result, name) for result in found]
    return float(np.mean(values)) if values and np.isfinite(values).all() else np.nan


def _shown(value: float, digits: int = 2) -> str:
    return fixed(value, digits, missing="-")

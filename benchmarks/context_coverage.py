"""How often intervals of contexts hold, for counts drawn from shares that are known.

Counts of 40 prompts and 6 cells follow multinomial laws, so no generator is needed: shares are
those of the text-to-image toy. So are labels of its edits, which rates of requests follow from.

    python -m benchmarks.context_coverage
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.by_seed import Row, rows_by_seed
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.files import write_text
from equipoise.core.labels import certain_labels
from equipoise.core.targets import Target
from equipoise.core.versions import versions_line
from equipoise.generators.toy_text import ToyTextGenerator
from equipoise.measure.contexts import deviation_ratio, measure_contexts
from equipoise.methods.context_rates import ContextCalibration, calibrate_contexts
from equipoise.stats.intervals import exact_interval

RESULTS = Path(__file__).parent / "results" / "context_coverage.md"
RATES = RESULTS.with_name("context_rates.jsonl")
SEEDS, IMAGES = 200, (50, 250)
LABELS, LEAKS = 83, (0.1, 0.2)

_HEAD = f"""# How often intervals of contexts hold

Written by `python -m benchmarks.context_coverage`. Counts of 40 prompts and 6 cells, drawn from
the known shares of `toy-text`, {SEEDS} seeds. Each row is the part of the seeds in which an
interval, or all of several together, has the true value, with the 95% interval of that part. The
level of all is 95%. "Balanced" are shares that are uniform, where gaps are all noise. "Rates" are
solved for from labels of edits; what must hold is the interval of the shares that they truly bring,
each alone: the mean over prompts and cells of all seeds, and that of the lowest prompt. "Widened"
are all of them together, as normal quantiles would widen them (Sidak over prompts, Bonferroni over
cells): that is not enough, so no interval of rates is said to hold for all prompts together.

| shares | images a prompt | what must hold | holds |
|---|---|---|---|"""

Shares = NDArray[np.float64]


def _within(found: Estimate, true: float) -> bool:
    return found.low - 1e-12 <= true <= found.high + 1e-12


def measured(name: str, shares: Shares, images: int) -> list[str]:
    """Return rows of what `measure_contexts` says of counts from shares, shape (C, K)."""
    toy = ToyTextGenerator()
    names = np.array(toy.contexts)
    target = np.full(shares.shape[1], 1 / shares.shape[1])
    true = deviation_ratio(shares, target)
    pooled = float(deviation_ratio(shares.mean(axis=0), target))
    holds: Counter[str] = Counter()
    rng = np.random.default_rng(images)
    places = np.repeat(np.arange(len(shares)), images)
    levels = toy.grid.levels.astype(np.int8)
    for _ in range(SEEDS):
        counts = rng.multinomial(images, shares)
        cells = np.tile(np.arange(shares.shape[1]), len(shares)).repeat(counts.ravel())
        found = measure_contexts(certain_labels(toy.grid, levels[cells]), names[places].tolist())
        number = [toy.contexts.index(mix.name) for mix in found.contexts]
        low, high = (np.array([getattr(m, end) for m in found.contexts]) for end in ("low", "high"))
        inside = ((low <= shares[number]) & (shares[number] <= high)).all(axis=1)
        ratios = [
            _within(mix.deviation, true[c]) for mix, c in zip(found.contexts, number, strict=True)
        ]
        holds["all shares of all prompts"] += bool(inside.all())
        holds["deviation ratios of all prompts"] += all(ratios)
        holds["mean deviation ratio"] += _within(found.mean, float(true.mean()))
        tenth = float(np.quantile(true, 0.9))
        holds["ratio that a tenth of the prompts reach"] += _within(found.worst_decile, tenth)
        holds["deviation ratio of the pool"] += _within(found.pooled_deviation, pooled)
    return [f"| {name} | {images} | {what} | {_part(count)} |" for what, count in holds.items()]


def rates(seed: int) -> list[Row]:
    """Return whether intervals of the shares that rates bring hold, for labels of one seed."""
    found = []
    for leak in LEAKS:
        toy = ToyTextGenerator(leak=leak)
        edits = toy.cell_shares[:, 1:]
        edits = edits / edits.sum(axis=2, keepdims=True)
        counts = np.random.default_rng(seed).multinomial(LABELS, edits)
        table = np.concatenate([counts, np.zeros_like(counts[:, :, :1])], axis=2)
        solved = calibrate_contexts(table, Target.uniform(toy.grid), seed)
        weights = np.array([one.weights for one in solved.contexts])
        true = np.einsum("ck,ckj->cj", weights, edits)
        ends = [np.array([getattr(one, end) for one in solved.contexts]) for end in ("low", "high")]
        alone, together = ((low <= true) & (true <= high) for low, high in (ends, _widened(solved)))
        row = {"seed": seed, "leak": leak, "together": bool(together.all())}
        found.append(row | {"alone": alone.mean(axis=1).round(4).tolist()})
    return found


def _widened(solved: ContextCalibration) -> list[Shares]:
    """Return the ends of intervals as normal quantiles would widen them to hold together."""
    ends = [[one.low, one.expected, one.high] for one in solved.contexts]
    low, expected, high = np.moveaxis(np.array(ends), 1, 0)
    error = -np.expm1(np.log(CONFIDENCE) / len(low)) / low.shape[1]
    wider = norm.ppf(1 - error / 2) / norm.ppf((1 + CONFIDENCE) / 2)
    return [expected - wider * (expected - low), expected + wider * (high - expected)]


def of_rates(rows: list[Row]) -> list[str]:
    """Return rows of the table."""
    found = []
    for leak in LEAKS:
        own = [row for row in rows if row["leak"] == leak]
        alone = np.mean([row["alone"] for row in own], axis=0)
        held = f"{alone.mean():.3f}, lowest prompt {alone.min():.3f}"
        about = f"| rates, leak {leak} | {LABELS} labels of each edit |"
        together = _part(sum(row["together"] for row in own))
        found += [
            f"{about} each share that they bring, alone | {held} |",
            f"{about} all shares of all prompts, widened | {together} |",
        ]
    return found


def _part(count: int) -> str:
    low, high = exact_interval(count, SEEDS)
    return f"{count / SEEDS:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Write the tables."""
    own = ToyTextGenerator().cell_shares[:, 0]
    own = own / own.sum(axis=1, keepdims=True)
    table = [
        line
        for name, shares in (("of the prompts", own), ("balanced", np.full(own.shape, 1 / 6)))
        for images in IMAGES
        for line in measured(name, shares, images)
    ]
    table += of_rates(rows_by_seed(rates, SEEDS, RATES, workers=2))
    found = [_HEAD, *table, "", versions_line(), ""]
    write_text(RESULTS, "\n".join(found))


if __name__ == "__main__":
    main()

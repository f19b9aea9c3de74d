"""Does an audit find the error of a model among the generator's own images? On the toy.

The audited model errs most on faces near the border between two levels, as models do. Its true
error in a cell is known from many codes of the prior. For each seed a tilt is fitted, verified
images are drawn in each mode, and the interval of the error in each cell is compared with the
truth. Seeds that the file of results holds already are not run again.

    python -m benchmarks.planted --seeds 200 --workers 16
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.by_seed import rows_by_seed
from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.labels import Labels
from equipoise.generators.toy import ToyGenerator
from equipoise.methods.tilt.estimator import TiltedSampler
from equipoise.samplers.verified import verified
from equipoise.stats.shares import Share

TOY = ToyGenerator(curvature=0.6)
"""Attributes that bend in the code, so that P(cell | code) is learnt with errors."""

RESULTS = Path(__file__).parent / "results" / "planted.jsonl"
MODES = ("exact", "0.9", "typical")
LABELS, PER_CELL, FRESH = 2000, 150, 100_000
BORDER, WIDTH = 0.8, 0.05
"""Score at which a toy face begins to smile, and the distance over which errors fade."""


def error_rate(labels: Labels) -> NDArray[np.float64]:
    """Return the probability that the audited model errs on each image, shape (n,)."""
    distance = np.abs(labels.scores[:, 0].astype(np.float64) - BORDER)
    return 0.03 + 0.5 * np.exp(-distance / WIDTH)


def run(seed: int) -> list[dict[str, Any]]:
    """Return, for each mode and cell of one seed, the interval of the error and the truth."""
    panel = open_panel(["smiling", "skin_tone"], TOY)
    models, codes = Models(TOY, panel), TOY.prior.codes(seed, 0, LABELS)
    tilted = TiltedSampler(TOY, seed=seed).fit(codes, panel.predict(TOY.images(codes)))
    own = panel.predict(TOY.images(TOY.prior.codes(seed, LABELS, LABELS + FRESH)))
    rates, rng = error_rate(own), np.random.default_rng(seed)
    rows = []
    for mode in MODES:
        counts = np.full(panel.grid.size, PER_CELL)
        for drawn in _by_cell(tilted, models, counts, seed, mode):
            labels, weights = drawn
            cell = int(labels.cells[0])
            wrong = rng.random(len(labels)) < error_rate(labels)
            share = Share.among("error", wrong, np.ones(len(wrong), bool), weights)
            rows.append(
                {
                    "seed": seed,
                    "mode": mode,
                    "cell": panel.grid.cells[cell],
                    "truth": float(rates[own.cells == cell].mean()),
                    "error": share.share,
                    "low": share.low,
                    "high": share.high,
                }
            )
    return rows


def _by_cell(
    tilted: TiltedSampler, models: Models, counts: NDArray[np.int64], seed: int, mode: str
) -> list[tuple[Labels, NDArray[np.float64]]]:
    """Return labels and weights of verified draws, cell by cell."""
    found = []
    for k in range(len(counts)):
        own = np.where(np.arange(len(counts)) == k, counts, 0)
        batches = list(verified(tilted.sampler_, models, own, seed, faithful=mode))
        codes = np.concatenate([batch.latents.codes for batch in batches])
        weights = np.concatenate([batch.latents.weights for batch in batches])
        found.append((models.panel.predict(TOY.images(codes)), weights))
    return found


def summary(rows: list[dict[str, Any]]) -> str:
    """Return coverage, and the mean of the error over the truth, for each mode."""
    lines = []
    for mode in MODES:
        own = [row for row in rows if row["mode"] == mode]
        held = np.mean([row["low"] <= row["truth"] <= row["high"] for row in own])
        ratio = np.mean([row["error"] / row["truth"] for row in own])
        lines.append(f"{mode:8}  covered {held:.1%} of {len(own)}, error / truth {ratio:.2f}")
    return "\n".join(lines)


def main() -> None:
    """Run the seeds that are missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=1, help="processes, a thread each [1]")
    arguments = parser.parse_args()
    rows = rows_by_seed(run, arguments.seeds, RESULTS, arguments.workers)
    print(summary(rows))


if __name__ == "__main__":
    main()

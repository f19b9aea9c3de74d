"""Whether candidates should be refused at a later stage too, by heads on later blocks of the DCGAN.

The first block costs next to nothing, so every candidate is read there. Here a second latent
classifier reads what a later block gives, from the same 10,000 labels of the prior. A candidate
that passes the first is then generated up to that block, read by both together, and finished or
refused; what was computed is carried on. Thresholds are the best of a grid, chosen on the very
codes that they are measured on, which favours the cascade.

    python benchmarks/stages.py
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch.nn import functional

from equipoise.cli.console import bars
from equipoise.core.files import write_text
from equipoise.core.labels import LabelledCodes
from equipoise.core.parallel import batches, one_thread
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.core.versions import versions_line
from equipoise.generators.dcgan import DCGAN
from equipoise.labelling.collect import collect
from equipoise.methods.tilt.fit_latent import fit_latent
from equipoise.pipeline import open_models

RESULTS = Path(__file__).parent / "results"
WORK = Path("runs/benchmarks")
ATTRIBUTES = ("smiling", "skin_tone")
LABELS, FRESH, FRESH_SEED = 10_000, 20_000, 1001
RECALL = 0.9
_FIRST_RECALLS = (0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
_TIMED = 512

_HEAD = f"""# A cascade of stages

Written by `python benchmarks/stages.py`. Smiling x skin tone of the DCGAN, {LABELS:,} labels of the
prior, {FRESH:,} fresh labelled codes. A latent classifier reads the output of each block. Cost is
that of the blocks up to there, in calls of one thread: a generated and classified image is 1. Calls
are those per verified image where {RECALL} of the members of each cell are accepted: by this block
alone, and by the first block followed by this one and the first together, blocks of refused
candidates counted; means over cells.

| block | features of a code | cost | loss on fresh codes, nats | calls, blocks not counted |\
 calls of the first block alone | calls of the cascade |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Block:
    """One block of the generator: where it ends in the network, and how its output is pooled."""

    end: int
    pool: int


BLOCKS = (Block(3, 1), Block(6, 2), Block(9, 2), Block(12, 4))
"""Pooled to at most 8 x 8 places, so that a head has few enough weights."""


def features(generator: DCGAN, block: Block, codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pooled output of a block, shape (n, C, h, w)."""
    # No public interface gives later blocks, since no sampler uses them.
    first = generator._network[: block.end]
    with torch.inference_mode():
        rows = torch.from_numpy(codes)[:, :, None, None]
        found: NDArray[np.float32] = functional.avg_pool2d(first(rows), block.pool).numpy()
    return found


def seconds(work: object) -> float:
    """Return the processor time of calling `work`, the least of three."""
    assert callable(work)
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def log_probabilities(
    generator: DCGAN, block: Block, labelled: LabelledCodes, codes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Fit a latent classifier to a block, and read codes by its folds in turn."""

    def stage(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate(
            [features(generator, block, rows[i:j]) for i, j in batches(0, len(rows), 64)]
        )

    fitted = fit_latent(stage, labelled).classifier
    parts = [
        fitted.log_probabilities(stage(codes[i:j]), np.arange(i, j) % fitted.folds)
        for i, j in batches(0, len(codes), 1024)
    ]
    return np.concatenate(parts)


def calls_alone(log_h: NDArray[np.float32], cells: NDArray[np.int64]) -> float:
    """Return images per verified image, where `RECALL` of the members are accepted."""
    found = []
    for k in range(log_h.shape[1]):
        own = cells == k
        accepted = log_h[:, k] >= np.quantile(log_h[own, k], 1 - RECALL)
        found.append(accepted.sum() / (accepted & own).sum())
    return float(np.mean(found))


def calls_of_cascade(
    first: NDArray[np.float32], second: NDArray[np.float32], cells: NDArray[np.int64], cost: float
) -> float:
    """Return calls per verified image of two stages, at the best thresholds of the grid."""
    found = []
    for k in range(first.shape[1]):
        own, possible = cells == k, []
        for recall in _FIRST_RECALLS:
            passed = first[:, k] >= np.quantile(first[own, k], 1 - recall)
            reached = np.where(passed, second[:, k], -np.inf)
            least = np.quantile(reached[own], 1 - RECALL, method="higher")
            accepted = passed & (reached >= least)
            made = passed.sum() * cost + accepted.sum() * (1 - cost)
            possible.append(made / (accepted & own).sum())
        found.append(min(possible))
    return float(np.mean(found))


def main() -> None:
    """Fit a latent classifier to each block, and write the page."""
    models = open_models(Settings(attributes=ATTRIBUTES))
    generator, grid = models.generator, models.panel.grid
    assert isinstance(generator, DCGAN)
    codes = generator.prior.codes(0, 0, LABELS)
    fresh = generator.prior.codes(FRESH_SEED, 0, FRESH)
    with bars() as progress:
        execution = Execution(progress=progress)
        labels = collect(models, LABELS, 0, WORK / "latent/0-0/labels", execution=execution)
        everything = open_models(Settings(attributes=("gender", "age", *ATTRIBUTES)))
        table = collect(everything, 50_000, FRESH_SEED, WORK / "faithful/fresh")
        cells = table.labels().restricted(grid).cells[:FRESH]
    known = np.flatnonzero(cells >= 0)
    cells, fresh = cells[known], fresh[known]
    labelled = LabelledCodes.of_prior(codes, labels.labels())
    lines, first = [_HEAD], None
    with one_thread():
        timed = fresh[:_TIMED]
        images = generator.images(timed)
        image = seconds(lambda: generator.images(timed))
        whole = image + seconds(lambda: models.panel.predict(images))
        for number, block in enumerate(BLOCKS, start=1):
            cost = seconds(lambda block=block: features(generator, block, timed)) / whole
            own = log_probabilities(generator, block, labelled, fresh)
            first = own if first is None else first
            loss = -own[np.arange(len(own)), cells].mean()
            both = log_softmax((first + own) / 2, axis=1).astype(np.float32)
            shape = " x ".join(map(str, features(generator, block, timed[:1]).shape[1:]))
            cascade = calls_of_cascade(first, both, cells, cost) if number > 1 else None
            columns = (
                number,
                shape,
                f"{cost:.2f}",
                f"{loss:.3f}",
                f"{calls_alone(own, cells):.2f}",
                f"{calls_alone(first, cells):.2f}",
                "" if cascade is None else f"{cascade:.2f}",
            )
            lines.append(f"| {' | '.join(map(str, columns))} |")
    write_text(RESULTS / "stages.md", "\n".join([*lines, "", versions_line(), ""]))


if __name__ == "__main__":
    main()

"""What draws are worth as training data: a small network learns smiling from each kind of them.

Every network is tested on the same images of the generator's own, found by rejection, as many of
each cell. What it learns from differs: images of the prior, verified draws of each mode, `exact`
ones with their weights, and images by rejection. Labels are those of the pinned classifier.

    python benchmarks/downstream.py --sampler runs/demo/sampler.safetensors
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t
from torch import nn
from torch.nn import functional

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.cli.console import bars
from equipoise.core.files import write_text
from equipoise.core.labels import Labels
from equipoise.core.numbers import percent
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.records import write_record
from equipoise.core.versions import versions, versions_line
from equipoise.generators import open_generator
from equipoise.generators.base import Generator, generate
from equipoise.labelling.collect import collect
from equipoise.samplers.file import load_sampler
from equipoise.samplers.verified import verified

RESULTS = Path(__file__).parent / "results"
WORK = Path("runs/bench")
PANEL = ("gender", "age", "smiling", "skin_tone")
MODES = ("typical", "0.9", "exact")
POOL, POOL_SEED = 300_000, 900
PER_CELL, TESTED = 1000, 1000
_EPOCHS, _BATCH, _RATE = 12, 64, 2e-3


@dataclass(frozen=True, eq=False)
class Material:
    """Images to learn from, shape (n, 3, 64, 64), with cells and weights, shape (n,)."""

    images: NDArray[np.uint8]
    cells: NDArray[np.int64]
    weights: NDArray[np.float64]


def images_of(generator: Generator, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the images of codes."""
    return np.concatenate([generate(generator, codes[i:j]) for i, j in batches(0, len(codes), 256)])


def of_pool(
    generator: Generator,
    codes: NDArray[np.float32],
    cells: NDArray[np.int64],
    rows: NDArray[np.intp],
) -> Material:
    """Return images of the pool."""
    return Material(images_of(generator, codes[rows]), cells[rows], np.ones(len(rows)))


def drawn(models: Models, file: Path, mode: str, seed: int) -> Material:
    """Return verified draws, as many of each cell."""
    sampler = load_sampler(file, models.generator)
    counts = np.full(sampler.grid.size, PER_CELL)
    with bars() as progress:
        execution = Execution(progress=progress)
        parts = list(verified(sampler, models, counts, seed, faithful=mode, execution=execution))
    return Material(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.latents.requested for part in parts]),
        np.concatenate([part.latents.weights for part in parts]),
    )


def network(seed: int) -> nn.Module:
    """Return a small convolutional network for 64x64 images, with one logit."""
    torch.manual_seed(seed)
    blocks: list[nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        blocks += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs)]
        blocks += [nn.ReLU()]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 1))


def learn(material: Material, smiling: NDArray[np.int8], seed: int) -> nn.Module:
    """Fit a network to the smiles of images, weighted within each cell."""
    model, rng = network(seed), np.random.default_rng(seed)
    truth = torch.from_numpy(smiling[material.cells].astype(np.float32))
    # Cells weigh alike, as they have as many images; weights say whom an image stands for in one.
    means = np.bincount(material.cells, material.weights) / np.bincount(material.cells)
    weights = torch.from_numpy((material.weights / means[material.cells]).astype(np.float32))
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01)
    steps = _EPOCHS * -(-len(truth) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(truth))
        for low, high in batches(0, len(order), _BATCH):
            rows = order[low:high]
            logits = model(_pixels(material.images[rows]))[:, 0]
            losses = functional.binary_cross_entropy_with_logits(
                logits, truth[rows], reduction="none"
            )
            optimiser.zero_grad()
            (losses * weights[rows]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return model.eval()


def accuracy(model: nn.Module, test: Material, smiling: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the share of right answers in each cell, shape (K,)."""
    with torch.inference_mode():
        answers = np.concatenate(
            [
                (model(_pixels(test.images[i:j]))[:, 0] > 0).numpy()
                for i, j in batches(0, len(test.cells), 256)
            ]
        )
    right = answers == (smiling[test.cells] == 1)
    return np.bincount(test.cells, right) / np.bincount(test.cells)


def _pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).float().div_(127.5).sub_(1)


def _mean(values: list[float]) -> str:
    """Return a mean over seeds with Student's interval."""
    mean, n = float(np.mean(values)), len(values)
    reach = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return f"{percent(mean)} ({percent(mean - reach)} to {percent(mean + reach)})"


def main() -> None:
    """Draw, learn, test, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sampler", type=Path, default=Path("runs/demo/sampler.safetensors"))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    generator = open_generator("digiface-dcgan")
    grid = load_sampler(arguments.sampler, generator).grid
    models = Models(generator, open_panel(grid.names, generator))
    everything = Models(generator, open_panel(PANEL, generator))
    table = collect(everything, POOL, POOL_SEED, WORK / f"pool-{POOL}")
    labels: Labels = table.labels().restricted(grid)
    codes, cells = generator.prior.codes(POOL_SEED, 0, POOL), labels.cells
    smiling = grid.levels[:, grid.names.index("smiling")].astype(np.int8)
    own = [np.flatnonzero(cells == k) for k in range(grid.size)]
    test = of_pool(generator, codes, cells, np.concatenate([rows[-TESTED:] for rows in own]))
    known = np.flatnonzero(cells >= 0)
    kept = np.setdiff1d(known, np.concatenate([rows[-TESTED:] for rows in own]))
    found: dict[str, list[list[float]]] = {}
    count = PER_CELL * grid.size
    for seed in range(arguments.seeds):
        rng = np.random.default_rng(seed)
        balanced = [rng.choice(rows[:-TESTED], PER_CELL, replace=False) for rows in own]
        plain = rng.choice(kept, count, replace=False)
        given = {
            "the generator as it is": of_pool(generator, codes, cells, plain),
            **{mode: drawn(models, arguments.sampler, mode, seed) for mode in MODES},
            "rejection": of_pool(generator, codes, cells, np.concatenate(balanced)),
        }
        for name, material in given.items():
            right = accuracy(learn(material, smiling, seed), test, smiling)
            found.setdefault(name, []).append(right.tolist())
            print(f"seed {seed}, {name}: {np.round(right, 3)}", flush=True)
    write(found, grid.cells, arguments.seeds, count)


def write(
    found: dict[str, list[list[float]]], cells: tuple[str, ...], seeds: int, count: int
) -> None:
    """Write the page and its numbers."""
    command = " ".join(["python benchmarks/downstream.py", *sys.argv[1:]])
    lines = [
        f"""# Draws as training data

Written by `{command}`. A small convolutional network learns smiling from {count:,} images of the
DCGAN, labelled by the pinned classifier, and is tested on {TESTED:,} other images of each cell of
smiling x skin tone, the generator's own, found by rejection. Means over {seeds} seeds of draws and
network, with Student's interval at 95 %; the test images are the same for all.

| learns from | mean over cells | worst cell | gap between cells |
|---|---|---|---|"""
    ]
    for name, runs in found.items():
        rows = np.array(runs)
        columns = (rows.mean(axis=1), rows.min(axis=1), np.ptp(rows, axis=1))
        lines.append(f"| {name} | {' | '.join(_mean(c.tolist()) for c in columns)} |")
    write_text(RESULTS / "downstream.md", "\n".join([*lines, "", versions_line(), ""]))
    write_record(
        RESULTS / "downstream.json",
        {"cells": cells, "accuracy": found, "versions": versions()},
    )


if __name__ == "__main__":
    main()

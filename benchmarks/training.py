"""Throughput of BalancedImages under a DataLoader against a bare loop, on the pinned generator.

The bare loop is `sampler.draw` and `generator.images`, batch by batch, in the same process. The
sampler's codes are those of the prior, so that they cost next to nothing and the loader's own cost
shows. All run in turn, the best of several rounds each.

    python benchmarks/training.py            (about a minute on 2 cores)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from torch.utils.data import DataLoader

from equipoise.classifiers import open_panel
from equipoise.core.targets import Target
from equipoise.generators import open_generator
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.training import BalancedImages


def main() -> None:
    """Print images a second of each, and their ratio to the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--generator", default="digiface-dcgan")
    given = parser.parse_args()
    generator = open_generator(given.generator)
    target = Target.uniform(open_panel(["smiling", "skin_tone"], generator).grid)
    prior = Mixture(np.ones(1), np.zeros((1, generator.dim)), np.eye(generator.dim)[None])
    source = MixtureSource((prior,) * target.grid.size)
    sampler = Sampler(GeneratorRef.of(generator), target, target.shares, source)
    size, images = generator.batch_size, BalancedImages(sampler, generator, given.n)

    def bare() -> None:
        for draws in sampler.stream(given.n, batch=size):
            generator.images(draws.codes)

    def loaded(workers: int) -> Callable[[], None]:
        def run() -> None:
            for _ in DataLoader(images, batch_size=size, num_workers=workers):
                pass

        return run

    ways = {"bare loop": bare} | {f"{k} workers": loaded(k) for k in (0, 1, 2)}
    best = dict.fromkeys(ways, np.inf)
    for _ in range(given.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - began)
    for name, seconds in best.items():
        ratio = best["bare loop"] / seconds
        print(f"{name:10} {given.n / seconds:8,.0f} images a second, {ratio:.2f} of the bare loop")


if __name__ == "__main__":
    main()

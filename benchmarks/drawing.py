"""Speed of drawing, and what each part that refuses candidates early is worth.

Codes of every cell are drawn with all parts, without the prefilter, without half-spaces, and
without both, in turn in one run. Verified draws are set beside the bare generator and classifiers:
their images a second are compared with bare images a second divided by calls.

    python benchmarks/drawing.py runs/demo/sampler.safetensors        (about 3 minutes)
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from equipoise.cli.opening import open_sampler
from equipoise.core.files import write_text
from equipoise.core.parallel import batches, ordered_map
from equipoise.generators.base import generate
from equipoise.samplers.proposals import HalfSpaces, Prefilter
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.tilt import TiltSource
from equipoise.samplers.verified import exact_counts, verified

RESULTS = Path(__file__).parent / "results"
_HEAD = """# Speed of drawing

Written by `python benchmarks/drawing.py SAMPLER --n {n} --images {images} --rounds {rounds}`.
Codes: seconds for {n} codes of every cell alone on one thread, by mode and by the parts that refuse
candidates before a stage is read. Images: verified images a second on all cores beside the bare
generator and classifiers, side by side.
"""


def variants(source: TiltSource) -> dict[str, TiltSource]:
    """Return the source as it is, and with parts left out."""
    cells, dim = source.half_spaces.normals.shape
    everywhere = HalfSpaces.unrestricted(cells, dim)
    # A guess of 1 for all codes refuses none.
    nothing = Prefilter(
        np.zeros((dim, 1), np.float32),
        np.zeros(1, np.float32),
        np.zeros((1, cells), np.float32),
        np.full(cells, 100.0, np.float32),
    )
    return {
        "all parts": source,
        "no prefilter": replace(source, prefilter=nothing),
        "no half-spaces": replace(source, half_spaces=everywhere),
        "neither": replace(source, prefilter=nothing, half_spaces=everywhere),
    }


def seconds_of_codes(sampler: Sampler, n: int, rounds: int) -> float:
    """Return the least seconds to draw n codes of every cell."""
    best = np.inf
    for seed in range(rounds):
        began = time.perf_counter()
        for k in range(sampler.grid.size):
            sampler.source.block(seed, (0, k), np.full(n, k))
        best = min(best, time.perf_counter() - began)
    return float(best)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sampler", type=Path)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    loaded, models = open_sampler(arguments.sampler, None, None)
    modes = [mode.faithful for mode in loaded.statements]
    lines = [_HEAD.format(**vars(arguments)), "| mode | part left out | seconds | ratio |"]
    lines.append("|---|---|---|---|")
    for mode in modes:
        sampler = loaded.for_verified(mode)
        assert isinstance(sampler.source, TiltSource)
        found = {
            name: seconds_of_codes(replace(sampler, source=source), arguments.n, arguments.rounds)
            for name, source in variants(sampler.source).items()
        }
        for name, seconds in found.items():
            ratio = seconds / found["all parts"]
            lines.append(f"| {mode} | {name} | {seconds:.2f} | {ratio:.2f} |")
    codes = models.generator.prior.codes(0, 0, arguments.images)

    def bare(bounds: tuple[int, int]) -> int:
        return len(models.panel.predict(generate(models.generator, codes[slice(*bounds)])))

    work = batches(0, len(codes), models.generator.batch_size)
    lines += ["", "| mode | calls per image | images a second | bare, over calls | ratio |"]
    lines.append("|---|---|---|---|---|")
    for mode in modes:
        began = time.perf_counter()
        sum(ordered_map(bare, work))
        rate = len(codes) / (time.perf_counter() - began)
        began, calls, n = time.perf_counter(), 0, 0
        counts = exact_counts(loaded.target, arguments.images)
        for batch in verified(loaded, models, counts, seed=5, faithful=mode):
            calls, n = calls + batch.calls, n + len(batch.images)
        own, per_image = n / (time.perf_counter() - began), calls / n
        lines.append(
            f"| {mode} | {per_image:.2f} | {own:.0f} | {rate / per_image:.0f} "
            f"| {own * per_image / rate:.2f} |"
        )
    write_text(RESULTS / "drawing.md", "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()

"""Speed of our StyleGAN2 beside that of its own convolutions, timed bare.

The network is configuration F at 256x256 with random weights. The bare pass runs the same
convolutions (3x3, and 3x3 transposed where the size doubles; no blur) on inputs of the same shapes
and memory order, and nothing else. Both run in turn, the best of several rounds each: by the clock
on all cores, and by the processor's time on one, which other work on the machine disturbs less.

    python benchmarks/stylegan2.py      (about two minutes on 2 cores)
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from equipoise.core.versions import versions
from equipoise.generators.stylegan.generator import StyleGAN
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.options import Options
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import channels_of

RESULTS = Path(__file__).parent / "results"


def bare_pass(config: Config, n: int) -> Callable[[], None]:
    """Return a function that runs the convolutions of n images and nothing else."""
    last = torch.channels_last
    work = []
    for number, (size, outputs) in enumerate(zip(config.sizes, config.channels, strict=True)):
        inputs = config.channels[number - 1]
        kernel = torch.randn(outputs, outputs, 3, 3).contiguous(memory_format=last)
        if number:
            up = torch.randn(outputs, inputs, 3, 3).contiguous(memory_format=last)
            small = torch.randn(n, inputs, size // 2, size // 2).contiguous(memory_format=last)
            work.append((True, small, up.transpose(0, 1)))
        x = torch.randn(n, outputs, size, size).contiguous(memory_format=last)
        work.append((False, x, kernel))

    def run() -> None:
        for up, x, kernel in work:
            if up:
                functional.conv_transpose2d(x, kernel, stride=2)
            else:
                functional.conv2d(x, kernel, padding=1)

    return run


def measure(n: int, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return images a second of both by a clock, and their ratio."""
    torch.manual_seed(0)
    config = Config(256, channels_of(256))
    generator = StyleGAN(Network(config), Options(), name="random weights")
    codes = generator.prior.codes(0, 0, n)
    bare = bare_pass(config, n)
    best = {"generator": float("inf"), "bare": float("inf")}
    with torch.inference_mode():
        for _ in range(rounds):
            began = clock()
            bare()
            best["bare"] = min(best["bare"], clock() - began)
            began = clock()
            generator.images(codes)
            best["generator"] = min(best["generator"], clock() - began)
    rates = {name: n / seconds for name, seconds in best.items()}
    return {**rates, "ratio": rates["generator"] / rates["bare"]}


def main() -> None:
    """Measure, and write benchmarks/results/stylegan2.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4, help="images in a call [4]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best counts [5]")
    given = parser.parse_args()
    threads = torch.get_num_threads()
    wall = measure(given.n, given.rounds, time.perf_counter)
    torch.set_num_threads(1)
    processor = measure(given.n, given.rounds, time.process_time)
    stored = {**vars(given), "threads": threads, "wall": wall, "processor": processor}
    text = json.dumps({**stored, "versions": versions()}, indent=1)
    (RESULTS / "stylegan2.json").write_text(text + "\n")
    text = f"""# Speed of StyleGAN2
`python benchmarks/stylegan2.py --n {given.n} --rounds {given.rounds}`, configuration F at 256x256,
random weights. The bare pass runs the same 3x3 convolutions alone: no blur, no modulation, noise,
activation, colours or mapping.

| images a second | by the clock, {threads} threads | by the processor's time, 1 thread |
|---|---|---|
| generator, codes of z to bytes | {wall["generator"]:.2f} | {processor["generator"]:.2f} |
| its convolutions, bare | {wall["bare"]:.2f} | {processor["bare"]:.2f} |
| **ratio** | **{wall["ratio"]:.2f}** | **{processor["ratio"]:.2f}** |
"""
    (RESULTS / "stylegan2.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""Speed and memory of label collection on the real generator.

Speed: `collect` against the bare forward passes of generator and classifiers on the same images,
in turn in one run, the best of several rounds each. The bare passes run twice over: one batch
after the other, as a plain loop would, and side by side on the same workers as `collect` uses. The
ratio to the faster of the two counts.

Memory: peak resident memory of a fresh process that collects a small and a large number of
labels.

    python benchmarks/throughput.py                 (about 8 minutes on 2 cores)
    python benchmarks/throughput.py --large 20000   (a quick look)
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.core.parallel import batches, ordered_map
from equipoise.core.settings import Settings
from equipoise.core.threads import worker_count
from equipoise.core.versions import versions
from equipoise.labelling.collect import collect
from equipoise.pipeline import open_models

ATTRIBUTES = ("gender", "age", "smiling", "skin_tone")
RESULTS = Path(__file__).parent / "results"


def measure_speed(n: int, rounds: int) -> dict[str, float]:
    """Return images a second of `collect` and of the bare passes, and their ratio."""
    models = open_models(Settings(attributes=ATTRIBUTES))
    generator, panel = models.generator, models.panel
    codes = generator.prior.codes(0, 0, n)

    def bare(bounds: tuple[int, int]) -> None:
        images: NDArray[np.uint8] = generator.images(codes[slice(*bounds)])
        for classifier in panel.classifiers:
            classifier.predict(images)

    work = batches(0, n, generator.batch_size)
    best = {"plain loop": np.inf, "side by side": np.inf, "collect": np.inf}
    for _ in range(rounds):
        began = time.perf_counter()
        for bounds in work:
            bare(bounds)
        best["plain loop"] = min(best["plain loop"], time.perf_counter() - began)
        began = time.perf_counter()
        for _ in ordered_map(bare, work):
            pass
        best["side by side"] = min(best["side by side"], time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            collect(models, n, 0, Path(folder))
            best["collect"] = min(best["collect"], time.perf_counter() - began)
    bare_seconds = min(best["plain loop"], best["side by side"])
    return {name: n / seconds for name, seconds in best.items()} | {
        "ratio to the faster bare pass": bare_seconds / best["collect"]
    }


def peak_memory(n: int) -> float:
    """Return the peak resident memory in MB of a process that collects n labels."""
    command = [sys.executable, __file__, "--only-collect", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def only_collect(n: int) -> None:
    """Collect n labels in this process, and print its peak resident memory in MB."""
    models = open_models(Settings())
    with tempfile.TemporaryDirectory() as folder:
        collect(models, n, 0, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (2**20 if sys.platform == "darwin" else 2**10))


def main() -> None:
    """Measure, print, and store as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=4096, help="images in a round of the speed part")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=200_000)
    parser.add_argument("--only-collect", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only_collect:
        only_collect(arguments.only_collect)
        return
    speed = measure_speed(arguments.n, arguments.rounds)
    memory = {n: peak_memory(n) for n in (arguments.small, arguments.large)}
    rows = [f"| {name}, images a second | {value:,.0f} |" for name, value in speed.items()][:3]
    rows.append(f"| ratio to the faster bare pass | {list(speed.values())[-1]:.2f} |")
    rows += [f"| peak memory at n = {n:,} | {value:,.0f} MB |" for n, value in memory.items()]
    text = "\n".join(
        [
            "# Speed and memory of label collection",
            "",
            f"`python benchmarks/throughput.py` on {worker_count(None)} cores; attributes "
            f"{', '.join(ATTRIBUTES)} for speed, smiling and skin_tone for memory.",
            "",
            "| what | value |",
            "|---|---|",
            *rows,
            "",
        ]
    )
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "throughput.md").write_text(text)
    result = {"speed": speed, "memory_mb": memory, "versions": versions()}
    (RESULTS / "throughput.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

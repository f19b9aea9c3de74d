"""Time of `balance` beside that of classifying its images, in one run.

For each set of attributes, 10,000 images of the prior are made and classified by `collect`, then
`balance` runs in a fresh folder: it labels as many, learns, states what draws are, measures its
mix on further images, and writes the report.

    python benchmarks/balancing.py    (about 5 minutes on 2 quiet cores)
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from equipoise.cli.console import bars
from equipoise.core.files import write_text
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.core.versions import versions
from equipoise.labelling.collect import collect
from equipoise.pipeline import balance, open_models

RESULTS = Path(__file__).parent / "results"
SETS = (("smiling", "skin_tone"), ("gender", "skin_tone"), ("age", "smiling"))
N = 10_000


def timed(attributes: tuple[str, ...], folder: Path, execution: Execution) -> dict[str, float]:
    """Return seconds of classifying, of `balance`, and of what it measures and shows at the end."""
    settings = Settings(attributes=attributes, n=N)
    models = open_models(settings)
    began = time.perf_counter()
    collect(models, N, 1, folder / "labels", execution=execution)
    classified = time.perf_counter() - began
    began = time.perf_counter()
    run = balance(settings, folder / "run", execution.progress)
    whole = time.perf_counter() - began
    cost = run.record.cost
    return {
        "classifying": classified,
        "balance": whole,
        "to the sampler": cost.seconds_labelling + cost.seconds_fitting,
        "measuring": cost.seconds_measuring,
        "images": float(N + run.record.results[0].representation.n),
    }


def page(results: list[dict[str, float]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Time of balance",
        "",
        "Written by `python benchmarks/balancing.py`. DCGAN, 10,000 classified images, the tilt",
        "alone. The last two columns are seconds over those of classifying 10,000 images in the",
        "same run: up to the fitted sampler, and with the images on which the mix is measured,",
        "pictures and report.",
        "",
        "| attributes | classifying, s | measuring, s | sampler fitted | whole |",
        "|---|---|---|---|---|",
    ]
    for attributes, one in zip(SETS, results, strict=True):
        ratios = (one[name] / one["classifying"] for name in ("to the sampler", "balance"))
        cells = (
            " x ".join(attributes),
            f"{one['classifying']:.1f}",
            f"{one['measuring']:.1f}",
            *(f"{ratio:.2f}" for ratio in ratios),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Time the three sets, and write the results."""
    results = []
    with bars() as progress, tempfile.TemporaryDirectory() as folder:
        for attributes in SETS:
            place = Path(folder) / "-".join(attributes)
            results.append(timed(attributes, place, Execution(progress=progress)))
    found = {"results": results, "versions": versions()}
    write_text(RESULTS / "balancing.json", json.dumps(found, indent=1) + "\n")
    write_text(RESULTS / "balancing.md", page(results))


if __name__ == "__main__":
    main()

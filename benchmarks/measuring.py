"""Speed of measuring: a folder of images against bare decoding and reading, and the quality table.

Both sides of the ratio run in turn in one process, the best of --rounds counts for each.

    python benchmarks/measuring.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from equipoise.classifiers import open_panel
from equipoise.classifiers.models import Models
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.synthetic_mark import packet
from equipoise.core.threads import worker_count
from equipoise.core.versions import versions
from equipoise.generators import generate, open_generator
from equipoise.labelling.image_files import equal_sizes, label_files
from equipoise.labelling.picture import read_image
from equipoise.labelling.picture_folder import find_pictures
from equipoise.measure.features import open_features
from equipoise.measure.quality import quality_table
from equipoise.measure.references import see_codes
from equipoise.measure.representation import represent
from equipoise.samplers.export.png import png

ATTRIBUTES = ("smiling", "skin_tone")
RESULTS = Path(__file__).parent / "results"
_BATCH = 64


def write_images(folder: Path, n: int) -> None:
    """Write n images of the prior as PNG files."""
    generator = open_generator("digiface-dcgan")
    for low, high in batches(0, n, 256):
        images = generate(generator, generator.prior.codes(0, low, high))
        for i, image in enumerate(images):
            (folder / f"{low + i:06d}.png").write_bytes(png(image, packet()))


def measure_speed(folder: Path, rounds: int) -> tuple[float, float]:
    """Return seconds of `measure` on a folder, and of decoding and reading the same files bare."""
    panel = open_panel(ATTRIBUTES)
    files = find_pictures(folder).files

    def bare(bounds: tuple[int, int]) -> None:
        for images in equal_sizes([read_image(path) for path in files[slice(*bounds)]]):
            for classifier in panel.classifiers:
                classifier.predict(images)

    best = {"measure": np.inf, "bare": np.inf}
    for _ in range(rounds):
        began = time.perf_counter()
        represent(label_files(find_pictures(folder).files, panel))
        best["measure"] = min(best["measure"], time.perf_counter() - began)
        began = time.perf_counter()
        for _ in ordered_map(bare, batches(0, len(files), _BATCH)):
            pass
        best["bare"] = min(best["bare"], time.perf_counter() - began)
    return best["measure"], best["bare"]


def table_seconds(each: int) -> tuple[float, float]:
    """Return seconds to see 2 x 6 x `each` images, and to make the quality table of them."""
    generator, panel = open_generator("digiface-dcgan"), open_panel(ATTRIBUTES)
    features = open_features("age")
    began = time.perf_counter()
    sets = [
        see_codes(Models(generator, panel), generator.prior.codes(seed, 0, 6 * each), features)
        for seed in (1, 2)
    ]
    seen = time.perf_counter() - began
    # The prior fills cells unevenly; equal cells of random images take the same work.
    rng = np.random.default_rng(0)
    for pictures in sets:
        levels = panel.grid.levels[np.repeat(np.arange(panel.grid.size), each)]
        pictures.labels.levels[:] = levels[rng.permutation(len(levels))]
    began = time.perf_counter()
    drawn, reference = sets
    quality_table(drawn, reference, panel.grid)
    return seen, time.perf_counter() - began


def main() -> None:
    """Measure, print, and store as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=10_000, help="image files")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--each", type=int, default=1000, help="images of a cell in the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), arguments.n)
        measured, bare = measure_speed(Path(name), arguments.rounds)
    seen, table = table_seconds(arguments.each)
    rows = {
        f"measure on {arguments.n:,} files, seconds": measured,
        "decoding and reading them bare, seconds": bare,
        "ratio of speeds": bare / measured,
        f"quality table of 6 cells x {arguments.each:,} images, seconds": table,
        "making, labelling and featurising both sets, seconds": seen,
    }
    lines = ["# Speed of measuring", ""]
    lines += [f"`python benchmarks/measuring.py` on {worker_count(None)} cores.", ""]
    lines += ["| what | value |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in rows.items()]
    text = "\n".join([*lines, ""])
    print(text)
    (RESULTS / "measuring.md").write_text(text)
    record = json.dumps({"rows": rows, "versions": versions()}, indent=1)
    (RESULTS / "measuring.json").write_text(record + "\n")


if __name__ == "__main__":
    main()

"""Text-to-image pipelines beside the official call: the same images, and the seconds of both.

Small random pipelines of each family, which the tests make too. The official call gets the prompts
as texts, and the same noise; both are timed in turn, and the least of several times counts.

    PYTHONPATH=. python benchmarks/text_pipelines.py
"""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from tests.builders.text_pipelines import KINDS, save

from equipoise.core.files import write_text
from equipoise.core.versions import versions_line
from equipoise.generators import open_generator
from equipoise.generators.diffusion.text_generator import TextGenerator

RESULTS = Path(__file__).parent / "results" / "text_pipelines.md"
SIDE, STEPS, IMAGES, TIMES = 64, 8, 8, 7
_PROMPTS = {"nurse": "a nurse", "doctor": "the doctor"}
_HEAD = f"""# Text-to-image pipelines beside the official call

Written by `PYTHONPATH=. python benchmarks/text_pipelines.py`. Random pipelines of each family,
{IMAGES} images of {SIDE}x{SIDE} in {STEPS} steps on one thread, the least of {TIMES} times. Speed
is that of ours over that of the official call; above 1, embeddings are not computed again.

| pipeline | largest difference, of 255 | official, seconds | ours, seconds | speed |
|---|---|---|---|---|"""


_VERSIONS = f"{versions_line()} Diffusers {diffusers.__version__}."


def timed(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the seconds that `work` takes, and its result."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def row(kind: str, folder: Path) -> str:
    """Return the row of one family in the table."""
    official = save(kind, folder)
    table = folder / "prompts.csv"
    table.write_text("id,text\n" + "".join(f"{one},{text}\n" for one, text in _PROMPTS.items()))
    generator = open_generator(
        f"diffusers-text:{folder}?prompts={table}&steps={STEPS}&size={SIDE}&stem=0"
    )
    assert isinstance(generator, TextGenerator)
    codes = generator.prior.codes(0, 0, IMAGES)
    texts = [list(_PROMPTS.values())[int(number)] for number in codes[:, -2]]
    noise = torch.from_numpy(codes[:, :-2]).reshape(IMAGES, *generator.latent_shape)
    given: dict[str, Any] = {
        "num_inference_steps": STEPS,
        "height": SIDE,
        "width": SIDE,
        "output_type": "np",
        "use_resolution_binning": False,
        "clean_caption": False,
    }
    known = inspect.signature(official.__call__).parameters
    given = {key: value for key, value in given.items() if key in known}

    def theirs() -> np.ndarray:
        images = official(prompt=texts, latents=noise.clone(), **given).images
        return np.asarray(images.transpose(0, 3, 1, 2) * 255)

    seconds = np.full((TIMES, 2), np.inf)
    apart = 0.0
    for turn in range(TIMES):
        seconds[turn, 0], wanted = timed(theirs)
        seconds[turn, 1], found = timed(lambda: generator.images(codes))
        apart = max(apart, float(np.abs(found - wanted).max()))
    their, our = seconds.min(axis=0)
    name = type(official).__name__
    return f"| `{name}` | {apart:.2f} | {their:.3f} | {our:.3f} | {their / our:.2f} |"


def main() -> None:
    """Time all families, and write the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(kind, Path(folder) / kind) for kind in KINDS]
    write_text(RESULTS, "\n".join([_HEAD, *rows, "", _VERSIONS, ""]))


if __name__ == "__main__":
    main()

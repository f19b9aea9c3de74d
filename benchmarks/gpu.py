"""Generators, classifiers and label collection on a GPU, beside the CPU of the same machine.

Agreement: images and labels of the same codes on both. Speed: images a second of generators by
batch, of label collection by device, and seconds an image of text-to-image models whose networks
have the published sizes and random weights, beside the times that `text_sizes.py` predicts.

    python -m benchmarks.gpu                       (about four minutes on a GPU)
    python -m benchmarks.gpu --device cpu --quick  (whether it runs, on the CPU)

It needs the extra `diffusers`, and transformers.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers as library
import numpy as np
import torch
from tests.builders.text_pipelines import clip_tokenizer, t5_tokenizer

from benchmarks import text_sizes
from equipoise.core.files import write_text
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.settings import Settings
from equipoise.core.threads import thread_count
from equipoise.core.versions import versions_line
from equipoise.generators import open_generator
from equipoise.generators.diffusion.text_generator import TextGenerator, TextOptions
from equipoise.generators.diffusion.text_pipeline import TextPipeline
from equipoise.generators.prompts import PromptList
from equipoise.generators.stylegan.generator import StyleGAN
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.options import Options
from equipoise.generators.stylegan.sizes import StyleGAN2Config, channels_of
from equipoise.labelling.collect import collect
from equipoise.pipeline import open_models

diffusers: Any = library  # Some of its classes are untyped, and some are not.
RESULTS = Path(__file__).parent / "results" / "gpu.md"
ATTRIBUTES = ("gender", "age", "smiling", "skin_tone")
_PROMPTS = PromptList(
    contexts=("nurse",), texts=(("a nurse",),), negatives=("",), shares=(1.0,), edits=()
)


def seconds(device: str, work: Callable[[], object], times: int = 3) -> float:
    """Return the least seconds that work takes, once it has run before."""
    work()
    best = np.inf
    for _ in range(times):
        if device != "cpu":
            torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return float(best)


def peak(device: str, work: Callable[[], object]) -> float:
    """Return the peak memory of the device during work, in GB."""
    if device == "cpu":
        return float("nan")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() / 1e9


def agreement(device: str, n: int) -> list[str]:
    """Return how far images and labels of the same codes lie apart, as lines of Markdown."""
    cpu = open_models(Settings(attributes=ATTRIBUTES))
    rows = []
    for tf32 in (True, False):
        gpu = open_generator("digiface-dcgan", device=device)
        torch.backends.cudnn.allow_tf32 = tf32  # Opening it has set this.

        def compared(bounds: tuple[int, int], gpu: Any = gpu) -> tuple[Any, Any, int]:
            codes = cpu.generator.prior.codes(0, *bounds)
            one, other = cpu.generator.images(codes), gpu.images(codes)
            small = np.concatenate(
                [gpu.images(codes[i : i + 64]) for i in range(0, len(codes), 64)]
            )
            apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
            levels = [cpu.panel.predict(images).levels for images in (one, other)]
            return (
                np.bincount(apart.ravel(), minlength=256),
                (levels[0] != levels[1]).sum(axis=0),
                int((small != other).any(axis=(1, 2, 3)).sum()),
            )

        found = list(ordered_map(compared, batches(0, n, 256)))
        counts, flips = (np.sum([one[part] for one in found], axis=0) for part in (0, 1))
        alone = sum(one[2] for one in found)
        largest, share = np.flatnonzero(counts)[-1], 1 - counts[0] / counts.sum()
        moved = ", ".join(
            f"{name} {100 * flip / n:.2f}" for name, flip in zip(ATTRIBUTES, flips, strict=True)
        )
        rows.append(
            f"| {'on' if tf32 else 'off'} | {100 * share:.2f}% | {largest} | {moved} "
            f"| {100 * alone / n:.1f}% |"
        )
    return [
        "## The same images?",
        "",
        f"{n:,} codes of digiface-dcgan on both devices; labels of both by the same classifiers on "
        "the CPU.",
        "",
        "| TF32 | pixels that differ | by at most, of 255 | labels that differ, in 100 "
        "| images that differ between batches of 256 and of 64 |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def generators(device: str, quick: bool) -> list[str]:
    """Return images a second by batch, as lines of Markdown."""
    rows = []
    sides = (64, 256, 1024) if not quick else (64, 128)
    for tf32, side in itertools.product((False, True), sides):
        for batch in (64, 256, 1024, 4096) if side == 64 else (1, 4, 16, 64):
            if quick and batch not in (4, 64):
                continue
            torch.manual_seed(0)
            if side == 64:
                made: Any = open_generator("digiface-dcgan", device=device)
            else:
                network = Network(StyleGAN2Config(side, channels_of(side)))
                made = StyleGAN(network, Options(), name="random", device=device)
            torch.backends.cudnn.allow_tf32 = tf32
            codes = made.prior.codes(0, 0, batch)
            work = partial(made.images, codes)
            took, used = seconds(device, work), peak(device, work)
            name = "digiface-dcgan" if side == 64 else "StyleGAN2, random weights"
            unit = "on" if tf32 else "off"
            rows.append(
                f"| {name} | {side} | {unit} | {batch} | {batch / took:,.0f} | {used:.2f} |"
            )
            print(rows[-1], flush=True)
    return [
        "## Images a second",
        "",
        "| generator | side | TF32 | batch | images a second | peak memory, GB |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def collecting(device: str, n: int) -> list[str]:
    """Return labels a second by device, as lines of Markdown."""
    rows = []
    for place, batch in dict.fromkeys([("cpu", None), (device, None), (device, 512)]):
        models = open_models(Settings(attributes=ATTRIBUTES, device=place, batch_size=batch))
        with tempfile.TemporaryDirectory() as folder:
            collect(models, 2048, 1, Path(folder) / "warm")
            began = time.perf_counter()
            collect(models, n, 0, Path(folder) / "labels")
            took = time.perf_counter() - began
        rows.append(f"| {place} | {models.generator.batch_size} | {n / took:,.0f} |")
        print(rows[-1], flush=True)
    return [
        "## Labels a second",
        "",
        f"`collect`, {n:,} codes of digiface-dcgan, {', '.join(ATTRIBUTES)}, {thread_count()} "
        "threads; the pinned classifiers compute on the CPU but where ONNX Runtime has CUDA.",
        "",
        "| generator on | batch | labels a second |",
        "|---|---|---|",
        *rows,
        "",
    ]


def pipelines() -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return the kind and the maker of each model of `text_sizes.MODELS`, by its name there."""
    sd, sdxl, sd3, flux = text_sizes.MODELS
    flow = diffusers.FlowMatchEulerDiscreteScheduler
    euler = diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1)
    letters, words = clip_tokenizer(), t5_tokenizer()
    letters.model_max_length = words.model_max_length = 77

    def decoder(channels: int, **changes: Any) -> Any:
        made = text_sizes.decoder(channels)
        made.register_to_config(**changes)
        return made

    plain = {"shift_factor": 0.1, "scaling_factor": 1.0}
    return {
        sd.name: (
            "StableDiffusionPipeline",
            lambda: diffusers.StableDiffusionPipeline(
                decoder(4), text_sizes.clip_large(), letters, sd.denoiser(), euler, None, None,
                requires_safety_checker=False,
            ),
        ),
        sdxl.name: (
            "StableDiffusionXLPipeline",
            lambda: diffusers.StableDiffusionXLPipeline(
                decoder(4), text_sizes.clip_large(), text_sizes.clip_giant(), letters, letters,
                sdxl.denoiser(), euler, add_watermarker=False,
            ),
        ),
        sd3.name: (
            "StableDiffusion3Pipeline",
            lambda: diffusers.StableDiffusion3Pipeline(
                sd3.denoiser(), flow(shift=3.0), decoder(16, **plain),
                text_sizes.clip_large(projection=True), letters, text_sizes.clip_giant(), letters,
                text_sizes.t5_xxl(), words,
            ),
        ),
        flux.name: (
            "FluxPipeline",
            lambda: diffusers.FluxPipeline(
                flow(use_dynamic_shifting=True), decoder(16, **plain), text_sizes.clip_large(),
                letters, text_sizes.t5_xxl(), words, flux.denoiser(),
            ),
        ),
    }  # fmt: skip


def text_model(model: text_sizes.Model, device: str) -> str:
    """Return the seconds an image and the memory of a model, as a row of the table."""
    kind, make = pipelines()[model.name]
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            made = make()
    finally:
        torch.set_default_dtype(torch.float32)
    made.set_progress_bar_config(disable=True)
    network = getattr(made, "unet", None) or made.transformer
    pipeline = TextPipeline(kind, made, network, "random", ())
    options = TextOptions(steps=text_sizes.STEPS, size=model.side, stem=0)
    ours = TextGenerator(pipeline, _PROMPTS, options, name=model.name, device=device)
    codes = ours.prior.codes(0, 0, 4)
    work, noise = partial(ours.images, codes), ours._noise(codes)
    took, used = seconds(device, work, 2) / 4, peak(device, work)
    call = partial(made, "a nurse", num_inference_steps=text_sizes.STEPS, height=model.side,
                   width=model.side, num_images_per_prompt=4, latents=noise,
                   output_type="pt")  # fmt: skip
    official = seconds(device, call, 2) / 4
    tera = text_sizes.sizes(model).image / 1e12
    return (
        f"| {model.name} | {model.side} | {took:.2f} | {official / took:.2f} "
        f"| {tera:.0f} | {tera / took:.0f} | {used:.1f} |"
    )


def text_models(device: str) -> list[str]:
    """Return seconds an image and memory of text-to-image models, as lines of Markdown."""
    rows = []
    for model in text_sizes.MODELS:
        try:
            rows.append(text_model(model, device))
        except Exception as error:  # The other models are worth having.
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            rows.append(f"| {model.name} | {model.side} | {reason} | | | | |")
        print(rows[-1], flush=True)
        if device != "cpu":
            torch.cuda.empty_cache()
    return [
        "## Text-to-image",
        "",
        f"Networks of the published sizes with random weights in bfloat16, {text_sizes.STEPS} "
        "steps, four images at once; the speed is that of ours over that of the official call.",
        "",
        "| model | side | seconds an image | speed | teraflops an image | teraflops a second "
        "| peak memory, GB |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def main() -> None:
    """Measure, print and write the tables; a part that fails leaves the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small sizes, and no text models")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    card = torch.cuda.get_device_name(0) if given.device != "cpu" else "the CPU"
    parts: dict[str, Callable[[], list[str]]] = {
        "agreement": lambda: agreement(given.device, 512 if given.quick else 8_192),
        "collecting": lambda: collecting(given.device, 2048 if given.quick else 40_960),
        "generators": lambda: generators(given.device, given.quick),
        "text": lambda: [] if given.quick else text_models(given.device),
    }
    lines = [
        "# On a GPU",
        "",
        f"Written by `python -m benchmarks.gpu` on {card}, {thread_count()} cores.",
        "",
    ]
    for name, part in parts.items():
        began = time.perf_counter()
        try:
            lines += part()
        except Exception as error:  # The other parts are worth having.
            lines += [f"{name} failed: {type(error).__name__}: {str(error)[:300]}", ""]
            print(lines[-2], flush=True)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        write_text(given.out, "\n".join([*lines, versions_line(), ""]))


if __name__ == "__main__":
    main()

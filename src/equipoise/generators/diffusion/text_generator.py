"""Text-to-image pipelines as generators: a code is the initial noise and the number of a prompt.

The official pipeline denoises, by a scheduler that draws no noise, from embeddings of the prompts
that are computed once. So a code determines its image, which is the official one. Where steps
depend on the latents alone, it can stop after some of them and carry on.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError
from equipoise.core.parallel import batches
from equipoise.core.reasons import reason_of
from equipoise.generators.address import Readers, parse_address, read_options
from equipoise.generators.base import check_codes
from equipoise.generators.diffusion.generator import (
    LARGEST_STEM,
    check_denoising,
    rgb_bytes,
    whole_number,
)
from equipoise.generators.diffusion.part_schedule import part_of_steps
from equipoise.generators.diffusion.text_embeddings import Embeddings
from equipoise.generators.diffusion.text_pipeline import ONE_STEP, TextPipeline, open_text_pipeline
from equipoise.generators.edit_words import read_edit_words
from equipoise.generators.priors import ContextNormal
from equipoise.generators.prompts import PromptList, read_prompts
from equipoise.runtimes.devices import check_device

_MOST_SIDE = 4096
"""Largest side of an image; chosen by hand."""

_BATCH_PIXELS = 2**20
"""Pixels of one default batch: four images of 512x512. Chosen by hand."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Numbers that weights may have in memory."""


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """Options of a text-to-image model.

    Attributes
    ----------
    steps : int
        Steps of denoising, at least 1.
    stem : int, optional
        Number of first steps after which the guess at the clean latent is the stem; 0 for none. By
        default a fifth of the steps, where the solver can stop there.
    guidance : float, optional
        How far prompts are exaggerated, from 1 for not at all; by default that of the pipeline.
    size : int, optional
        Side of the images in pixels; by default that of the pipeline.
    negative : str
        What all images are to be without; a context's own negative prompt has precedence.

    Raises
    ------
    InputError
        When a number breaks its rule.
    """

    steps: int = 20
    stem: int | None = None
    guidance: float | None = None
    size: int | None = None
    negative: str = ""

    def __post_init__(self) -> None:
        check_denoising(self.steps, self.stem, self.guidance)
        if self.size is not None and not 1 <= self.size <= _MOST_SIDE:
            raise InputError("size", f"must be 1 to {_MOST_SIDE}", self.size, "Pass size=512.")


class TextGenerator:
    """A text-to-image model as a function of noise and context. A `Prompted` and a `Staged`.

    Parameters
    ----------
    pipeline : TextPipeline
    prompts : PromptList
    options : TextOptions
    name : str
        Its name in reports.
    device : str
    batch_size : int, optional
        Codes per call; by default as many as have the pixels of four images of 512x512, at most 64.

    Attributes
    ----------
    latent_shape : tuple of int
        Of the noise of one image, as the official call takes it: all of a code but its last two
        values, which are the context and the variant.

    Raises
    ------
    InputError
        When there are more steps than the model was trained for, the size is no multiple of what
        the model needs, the solver cannot stop at the stem, or a negative prompt would have no
        effect.
    FileFormatError
        When the pipeline's parts do not match.
    ModelOutputError
        When the output is not finite.
    """

    space = "noise"
    pinned = ()

    def __init__(
        self,
        pipeline: TextPipeline,
        prompts: PromptList,
        options: TextOptions,
        *,
        name: str,
        device: str = "cpu",
        batch_size: int | None = None,
    ) -> None:
        self._pipeline, self.name, self.device = pipeline, name, device
        made = pipeline.made
        made.to(check_device(device))
        call = inspect.signature(made.__call__).parameters
        if self._dtype == torch.float16 and hasattr(made, "upcast_vae"):
            # Its decoder overflows, so the official call changes it for the time of each call, and
            # another thread would meet it so.
            rule = "must be float32 or bfloat16 for this pipeline"
            raise InputError("dtype", rule, "float16", "Pass dtype=bfloat16.")
        self.steps = options.steps
        trained = made.scheduler.config.num_train_timesteps
        if options.steps > trained:
            rule = f"must be at most {trained}, those of the model's training"
            raise InputError("steps", rule, options.steps, "Pass steps=20.")
        self._guidance = options.guidance or call["guidance_scale"].default
        self._size, self.latent_shape = _shapes(pipeline, options)
        negatives = [own or options.negative for own in prompts.negatives]
        self._negatives = [text or None for text in negatives]
        guided = self._guidance > 1 and "negative_prompt_embeds" in pipeline.family.embeddings
        if any(negatives) and not guided:
            shown = f"{next(filter(None, negatives))[:60]!r} at guidance {self._guidance:g}"
            rule = "must not be given where guidance is 1, or the model is guided by a number alone"
            raise InputError("negative", rule, shown, "Leave it out, or raise guidance.")
        self._one_step = type(made.scheduler).__name__ in ONE_STEP
        self.stage = options.steps // 5 if options.stem is None else options.stem
        if not self._one_step and options.stem is None:
            self.stage = 0
        self._check_stop(self.stage, "stem")
        self._always = {
            "num_inference_steps": self.steps,
            "guidance_scale": self._guidance,
            "height": self._size,
            "width": self._size,
        }
        never = {"negative_prompt": None, "use_resolution_binning": False}
        self._always |= {key: value for key, value in never.items() if key in call}
        self._embeddings = Embeddings(
            made, pipeline.family.embeddings, prompts.texts, self._negatives, self._guidance > 1
        )
        self.contexts, self.edits = prompts.contexts, prompts.edits
        self.dim = int(np.prod(self.latent_shape)) + 2
        self.prior = ContextNormal(self.dim - 2, prompts.shares)
        self.caveats = pipeline.notes
        about = (pipeline.digest, prompts.texts, self._negatives, prompts.shares, prompts.edits,
                 self.steps, self.stage, self._guidance, self._size)  # fmt: skip
        self.digest = hashlib.sha256(repr(about).encode()).hexdigest()
        self.batch_size = batch_size or min(max(_BATCH_PIXELS // self._size**2, 1), 64)
        self.image_shape = self._probed_shape()

    def codes_of(
        self, seed: int, start: int, stop: int, context: int, variant: int = 0
    ) -> NDArray[np.float32]:
        """Return codes of one context and variant, shape (stop - start, dim), float32.

        Raises
        ------
        InputError
            When there is no such context or variant.
        """
        codes = self.prior.codes_of(seed, start, stop, context, variant)
        self._placed(codes)
        return codes

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, size, size), uint8 RGB."""
        return rgb_bytes(self._called(codes, self._noise(codes), "pt"), self.name)

    def states(self, codes: NDArray[np.float32], steps: int) -> NDArray[np.floating]:
        """Return the latents after some steps, shape (n, ...), float32.

        Raises
        ------
        InputError
            When the solver's steps depend on more than the latents, or there are not so many.
        """
        self._check_stop(steps, "steps of a state")
        noise = self._noise(codes)
        found = self._called(codes, noise, "latent", last=steps) if steps else noise
        return found.float().cpu().numpy()

    def carry_on(
        self, states: NDArray[np.floating], codes: NDArray[np.float32], steps: int
    ) -> NDArray[np.uint8]:
        """Return the images of states after `steps` steps: those of `images`, to the byte.

        Parameters
        ----------
        states : numpy.ndarray, shape (n, ...)
            Rows of what `states` returned.
        codes : numpy.ndarray, shape (n, dim), float32
            Their codes, for the prompts.
        steps : int
            Fewer than all.
        """
        self._check_stop(steps, "steps of a state")
        latents = torch.from_numpy(states).to(self._pipeline.made.device, self._dtype)
        return rgb_bytes(self._called(codes, latents, "pt", first=steps), self.name)

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the guess at the clean latent after the first steps, averaged to at most 16x16.

        Shape (n, channels, side, side), float32. Of several contexts 8 more channels, each of one
        value, describe the prompt. With no such steps, the codes themselves.
        """
        return self.begin(codes)[0] if self.stage else check_codes(codes, self.dim)

    def begin(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.floating]]:
        """Return what `stem` and `states` return after `stage` steps, of which there must be some.

        Raises
        ------
        InputError
            When `stage` is 0.
        """
        if not self.stage:
            raise InputError("stem", "must be above 0 to begin an image", 0, "Pass stem=4.")
        parts = []
        for low, high in batches(0, len(codes), self.batch_size):
            rows = codes[low:high]
            guesses: list[torch.Tensor] = []
            noise = self._noise(rows)
            states = self._called(rows, noise, "latent", last=self.stage, guesses=guesses)
            guess = guesses[-1].float()
            if self._pipeline.family.packed:
                side = int(guess.shape[1] ** 0.5)
                guess = guess.transpose(1, 2).reshape(len(guess), -1, side, side)
            side = min(guess.shape[-1], LARGEST_STEM)
            pooled = torch.nn.functional.adaptive_avg_pool2d(guess, side)
            features = self._with_prompts(pooled.cpu().numpy(), rows)
            parts.append((features, states.float().cpu().numpy()))
        nothing = np.empty((0, 1, 1, 1), np.float32)
        every, found = zip(*(parts or [(nothing, nothing)]), strict=True)
        return np.concatenate(every), np.concatenate(found)

    def _with_prompts(
        self, guesses: NDArray[np.float32], codes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return guesses with channels that describe the prompt, where there are several."""
        if len(self.contexts) < 2:
            return guesses
        pairs = zip(*self._placed(codes), strict=True)
        numbers = np.stack([self._embeddings.described(c, v) for c, v in pairs])
        maps = np.broadcast_to(numbers[:, :, None, None], (*numbers.shape, *guesses.shape[2:]))
        return np.concatenate([guesses, maps], axis=1)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.as_tensor(next(self._pipeline.network.parameters())).dtype

    def _noise(self, codes: NDArray[np.float32]) -> torch.Tensor:
        self._placed(codes)
        noise = torch.from_numpy(np.ascontiguousarray(codes[:, :-2], np.float32))
        return noise.reshape(-1, *self.latent_shape).to(self._pipeline.made.device, self._dtype)

    def _placed(self, codes: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.prior.placed(codes, 1 + len(self.edits))

    def _check_stop(self, steps: int, what: str) -> None:
        if not 0 <= steps < self.steps:
            rule = f"must be 0 to {self.steps - 1}, fewer than all steps"
            raise InputError(what, rule, steps, "Pass 0.")
        if steps and not self._one_step:
            solver = type(self._pipeline.made.scheduler).__name__
            rule = f"must be 0 with {solver}, whose steps depend on earlier ones too"
            remedy = "Pass solver=euler, or solver=ddim where the model is no flow."
            raise InputError(what, rule, steps, remedy)

    def _called(
        self,
        codes: NDArray[np.float32],
        latents: torch.Tensor,
        output: str,
        *,
        first: int = 0,
        last: int | None = None,
        guesses: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return what the official pipeline makes of latents by the steps [first, last)."""
        pipeline = copy.copy(self._pipeline.made)
        pipeline.scheduler = part_of_steps(self._pipeline.made.scheduler, first, last, guesses)
        rows = [self._embeddings.of(c, v) for c, v in zip(*self._placed(codes), strict=True)]
        stacked = {key: torch.cat([row[key] for row in rows]).to(latents.device) for key in rows[0]}
        with torch.inference_mode():
            found = pipeline(
                **self._always, **stacked, latents=latents, output_type=output, return_dict=False
            )[0]
        return torch.as_tensor(found)

    def _probed_shape(self) -> tuple[int, int, int]:
        """Generate one image, which checks that the parts match, and return its shape."""
        try:
            _, channels, height, width = self.images(self.prior.codes(0, 0, 1)).shape
        except EquipoiseError:
            raise
        # The errors of parts that do not match have no common base class.
        except Exception as error:
            raise FileFormatError(
                f"generator {self.name!r}",
                "must have text encoders, a network and a decoder that match, at this size",
                reason_of(error),
                "Leave out size, or save the pipeline again with save_pretrained(folder).",
            ) from error
        return channels, height, width


def _shapes(pipeline: TextPipeline, options: TextOptions) -> tuple[int, tuple[int, ...]]:
    """Return the side of the images, and the shape of the latents of one."""
    made, config = pipeline.made, pipeline.network.config
    scale = made.vae_scale_factor
    unit = scale * (2 if pipeline.family.packed else config.get("patch_size") or 1)
    default = getattr(made, "default_sample_size", None) or config.sample_size
    size = options.size or int(default * scale)
    if size % unit:
        remedy = f"Pass size={max(size // unit, 1) * unit}."
        raise InputError("size", f"must be a multiple of {unit}", size, remedy)
    if pipeline.family.packed:
        return size, ((size // unit) ** 2, config.in_channels)
    return size, (config.in_channels, size // scale, size // scale)


_OPTIONS = TextOptions.__dataclass_fields__.keys()


def values_of(pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return the values of the options of an address, by key.

    Raises
    ------
    InputError
        When a key is unknown, a value is not of its kind, or there are no prompts.
    """
    whole = (whole_number, "a whole number")
    readers: Readers = {
        "prompts": (Path, "a file"),
        "words": (Path, "a file"),
        "context": (str, "text"),
        "steps": whole,
        "stem": whole,
        "guidance": (float, "a number"),
        "size": whole,
        "negative": (str, "text"),
        "solver": (str, "text"),
        "dtype": (DTYPES.__getitem__, ", ".join(DTYPES)),
        "revision": (str, "text"),
        "variant": (str, "text"),
    }
    values = read_options(pairs, readers, "a text-to-image model")
    if "prompts" not in values:
        raise InputError(
            "prompts",
            "must be given to a text-to-image model",
            "none",
            "Write it like diffusers-text:folder?prompts=jobs.csv, a table of id and text.",
        )
    return values


def open_text_diffusion(text: str, *, device: str, batch_size: int | None) -> TextGenerator:
    """Open the generator at an address such as "diffusers-text:FOLDER?prompts=jobs.csv&steps=20".

    Raises
    ------
    InputError
        When a library is not installed, an option breaks its rule, or no such context is listed.
    FetchError, FileFormatError, ModelOutputError
        As `open_text_pipeline`, `read_prompts` and `TextGenerator`.
    """
    address = parse_address(text)
    values = values_of(address.options)
    options = TextOptions(**{key: values[key] for key in _OPTIONS & values.keys()})
    words = read_edit_words(values["words"]) if "words" in values else None
    prompts = read_prompts(values["prompts"], words)
    if "context" in values:
        prompts = prompts.only(values["context"])
    opening = {
        key: values[key] for key in ("revision", "variant", "solver", "dtype") if key in values
    }
    pipeline = open_text_pipeline(str(address.file), **opening)
    return TextGenerator(
        pipeline, prompts, options, name=text, device=device, batch_size=batch_size
    )

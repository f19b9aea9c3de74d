"""Diffusion models as generators: the latent code is the initial noise.

Denoising is deterministic: DDIM with eta 0 (Song et al. 2021, arXiv 2010.02502, equation 12), or
one step of a consistency model (Song et al. 2023, arXiv 2303.01469, algorithm 1). So a code
determines its image, as with a GAN. The options of an address set the number of steps and the stem.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import (
    EquipoiseError,
    FileFormatError,
    InputError,
    ModelOutputError,
)
from equipoise.core.parallel import batches
from equipoise.core.reasons import reason_of
from equipoise.generators.address import Readers, read_options
from equipoise.generators.base import StandardNormal, check_codes
from equipoise.generators.classes import Classes, read_classes
from equipoise.generators.diffusion.pipeline import (
    TRANSFORMER,
    Pipeline,
)
from equipoise.runtimes.devices import check_device

_BATCH_PIXELS = 2**18
"""Pixels of the network's input in one default batch: four images of 256x256. Chosen by hand."""

LARGEST_STEM = 16
"""Largest side of the stem's features, chosen by hand."""

_MOST_STEPS, _MOST_GUIDANCE = 1000, 100
"""Limits on denoising steps and on guidance, chosen by hand."""


class DiffusionGenerator:
    """A diffusion model as a function of its initial noise. A `Differentiable`.

    Parameters
    ----------
    pipeline : Pipeline
    options : Options
    name : str
        Its name in reports.
    device : str
    batch_size : int, optional
        Codes per call; by default as many as have the pixels of four images of 256x256, at most 64.

    Raises
    ------
    InputError
        When there are more steps than the model was trained for, or its class breaks its rule.
    FileFormatError
        When the pipeline's parts do not match.
    ModelOutputError
        When the output is not finite, or has neither 1 nor 3 channels.
    """

    space = "z"
    pinned = ()

    def __init__(
        self,
        pipeline: Pipeline,
        options: Options,
        *,
        name: str,
        device: str = "cpu",
        batch_size: int | None = None,
    ) -> None:
        self._device, self._pipeline, self._options = check_device(device), pipeline, options
        trained = pipeline.schedule["num_train_timesteps"]
        if options.steps > trained:
            rule = f"must be at most {trained}, those of the model's training"
            raise InputError("steps", rule, options.steps, "Pass steps=20.")
        for network in (pipeline.unet, pipeline.decoder):
            if network is not None:
                network.to(self._device)
        config = pipeline.unet.config
        self._shape = (config.in_channels, config.sample_size, config.sample_size)
        self.name, self.device, self.caveats = name, device, pipeline.notes
        _check_label(options, pipeline)
        described = f"{pipeline.digest} {options.steps} {options.stem}"
        if options.label is not None:
            described += f" {options.label} {options.guidance}"
        self.digest = hashlib.sha256(described.encode()).hexdigest()
        self.dim = int(np.prod(self._shape))
        self.prior = StandardNormal(self.dim)
        self.batch_size = batch_size or min(max(_BATCH_PIXELS // config.sample_size**2, 1), 64)
        self.image_shape = self._probed_shape()

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image predicted after the first steps, averaged to at most 16x16.

        Shape (n, channels, side, side), float32. The prediction shows the content of the image,
        which the noisy state hides. With no such steps, the codes themselves.
        """
        return self.stem_of(codes, self._fixed(len(codes)))

    def stem_of(
        self, codes: NDArray[np.float32], labels: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        """Return what `stem` does, of codes of given classes, shape (n,); None without classes."""
        codes = check_codes(codes, self.dim)
        if not self._options.stem:
            return codes
        side = min(self._shape[-1], LARGEST_STEM)
        parts = [np.empty((0, self._shape[0], side, side), np.float32)]
        # Callers pass thousands of codes at once, because other stems need little memory.
        for low, high in batches(0, len(codes), self.batch_size):
            with torch.inference_mode():
                own = None if labels is None else labels[low:high]
                noise, steps = self._noise(codes[low:high]), self._options.stem
                predicted = self._denoised(noise, steps, self._given(own))
                pooled = torch.nn.functional.adaptive_avg_pool2d(predicted, side)
            parts.append(pooled.cpu().numpy())
        return np.concatenate(parts)

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, height, width), uint8 RGB; [-1, 1] is scaled to [0, 255]."""
        return self.images_of(codes, self._fixed(len(codes)))

    def images_of(
        self, codes: NDArray[np.float32], labels: NDArray[np.int64] | None
    ) -> NDArray[np.uint8]:
        """Return images of codes of given classes, shape (n,); None without classes."""
        with torch.inference_mode():
            noise = self._noise(check_codes(codes, self.dim))
            return rgb_bytes(self._pixels(noise, self._given(labels)), self.name)

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images in [0, 1]; the gradient passes through all steps."""
        labels = self._given(self._fixed(len(codes)))
        return self._pixels(codes.reshape(-1, *self._shape), labels).expand(-1, 3, -1, -1)

    def _probed_shape(self) -> tuple[int, int, int]:
        """Generate one image, which checks that the parts match, and return its shape."""
        try:
            _, channels, height, width = self.images(self.prior.codes(0, 0, 1)).shape
        except EquipoiseError:
            raise
        # The errors of schedules and networks that do not match have no common base class.
        except Exception as error:
            raise FileFormatError(
                f"generator {self.name!r}",
                "must have a schedule, a network and a decoder that match",
                reason_of(error),
                "Save the pipeline again with save_pretrained(folder).",
            ) from error
        return channels, height, width

    def _noise(self, codes: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(codes).to(self._device).reshape(-1, *self._shape)

    def _fixed(self, count: int) -> NDArray[np.int64] | None:
        """Return the class of the options for so many codes; None for a model without classes."""
        label = self._options.label
        return None if label is None else np.full(count, label, np.int64)

    def _given(self, labels: NDArray[np.int64] | None) -> torch.Tensor | None:
        return None if labels is None else torch.from_numpy(labels).to(self._device)

    def _pixels(self, noise: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        out = self._denoised(noise, self._options.steps, labels)
        decoder = self._pipeline.decoder
        if decoder is not None:
            out = decoder.decode(out / decoder.config.scaling_factor).sample
        return (out / 2 + 0.5).clamp(0, 1)

    def _predicted(
        self, sample: torch.Tensor, time: Any, labels: torch.Tensor | None
    ) -> torch.Tensor:
        """Return what the network predicts, without learned variances, for the classes if any.

        Guidance moves the prediction of the class away from that of none (Ho and Salimans 2022,
        arXiv 2207.12598, equation 6, with `guidance` 1 + w).
        """
        network, guidance, given = self._pipeline.unet, self._options.guidance, sample
        if labels is None:
            return torch.as_tensor(network(sample, time).sample[:, : self._shape[0]])
        if guidance != 1:
            # The number after those of the classes is that of no class.
            labels = torch.cat([labels, torch.full_like(labels, self._pipeline.classes)])
            given = torch.cat([sample, sample])
        times = time.expand(len(given))
        out = network(given, timestep=times, class_labels=labels).sample[:, : self._shape[0]]
        if guidance != 1:
            of_class, of_none = out.chunk(2)
            out = of_none + guidance * (of_class - of_none)
        return torch.as_tensor(out)

    def _denoised(
        self, noise: torch.Tensor, steps: int, labels: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the sample after all steps, or the predicted sample after fewer."""
        scheduler: Any = self._pipeline.scheduler.from_config(self._pipeline.schedule)
        scheduler.set_timesteps(self._options.steps, device=self._device)
        sample: torch.Tensor = noise * scheduler.init_noise_sigma
        predicted = sample
        for time in scheduler.timesteps[:steps]:
            out = self._predicted(scheduler.scale_model_input(sample, time), time, labels)
            step = scheduler.step(out, time, sample)
            sample = step.prev_sample
            predicted = getattr(step, "pred_original_sample", sample)
        return sample if steps == self._options.steps else predicted


def rgb_bytes(pixels: torch.Tensor, name: str) -> NDArray[np.uint8]:
    """Return images in [0, 1], shape (n, 1 or 3, height, width), as uint8 RGB.

    Raises
    ------
    ModelOutputError
        When they have other channels or are not finite; `name` is the generator's.
    """
    if pixels.shape[1] not in (1, 3) or not bool(torch.isfinite(pixels).all()):
        raise ModelOutputError(
            f"images of generator {name!r}",
            "must have 1 or 3 channels and be finite",
            f"{pixels.shape[1]} channels, or NaN",
            "Use a model of images.",
        )
    # In half precision, products with 255 would round.
    rounded = pixels.float().mul(255).round_().to(torch.uint8).expand(-1, 3, -1, -1)
    images: NDArray[np.uint8] = rounded.contiguous().cpu().numpy()
    return images


@dataclass(frozen=True)
class Options:
    """Options of a diffusion model.

    The defaults are chosen by hand; without a given stem it is a fifth of the steps.

    Attributes
    ----------
    steps : int
        Denoising steps, each one pass through the network; 1 for consistency models.
    stem : int
        Number of first steps after which the predicted image is the stem; 0 for none.
    label : int, optional
        Number of the class, where the model has classes: the context of all its images.
    guidance : float
        Of a `DiTPipeline`, at least 1: how far classes are exaggerated; 1 is as the model learned.
    classes : tuple of (int, float), optional
        With `contexts`, the classes that become contexts, with their shares; all by default.
    contexts : str
        "classes" for a generator with a context for each class; otherwise empty.

    Raises
    ------
    InputError
        When a number breaks its rule.
    """

    steps: int = 20
    stem: int = 4
    label: int | None = None
    guidance: float = 1.0
    classes: Classes | None = None
    contexts: str = ""

    def __post_init__(self) -> None:
        check_denoising(self.steps, self.stem, self.guidance)
        if self.contexts not in ("", "classes"):
            rule = "must be classes"
            raise InputError("contexts", rule, self.contexts, "Pass contexts=classes.")


def check_denoising(steps: int, stem: int | None, guidance: float | None) -> None:
    """Check what all diffusion models are given; None stands for what the model says itself.

    Raises
    ------
    InputError
        When a number breaks its rule.
    """
    if not 1 <= steps <= _MOST_STEPS:
        raise InputError("steps", f"must be 1 to {_MOST_STEPS}", steps, "Pass steps=20.")
    if stem is not None and not 0 <= stem < steps:
        rule = f"must be 0 to {steps - 1}, fewer than all steps"
        raise InputError("stem", rule, stem, "Pass 0.")
    if guidance is not None and not 1 <= guidance <= _MOST_GUIDANCE:
        rule = f"must be 1 to {_MOST_GUIDANCE}"
        raise InputError("guidance", rule, guidance, "Pass guidance=4.")


def options_of(pairs: tuple[tuple[str, str], ...], one_step: bool) -> Options:
    """Return the options in an address.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Keys and values.
    one_step : bool
        Whether the model generates an image in one pass, and so has no stem.

    Raises
    ------
    InputError
        When a key is unknown, or a value breaks its rule.

    Examples
    --------
    >>> options_of((("steps", "10"),), one_step=False)
    Options(steps=10, stem=2, label=None, guidance=1.0, classes=None, contexts='')
    """
    whole = (whole_number, "a whole number")
    readers: Readers = {
        "steps": whole,
        "stem": whole,
        "class": (read_classes, "a number, or class:share,class:share"),
        "contexts": (str, "text"),
        "guidance": (float, "a number"),
        "revision": (str, "text"),
        "variant": (str, "text"),
    }
    values = read_options(pairs, readers, "a diffusion model")
    steps = values.get("steps", 1 if one_step else Options.steps)
    if one_step and steps != 1:
        raise InputError("steps", "must be 1 for a consistency model", steps, "Leave it out.")
    stem, guidance = values.get("stem", steps // 5), values.get("guidance", 1.0)
    classes, contexts = values.get("class"), values.get("contexts", "")
    if contexts:
        return Options(steps, stem, None, guidance, classes, contexts)
    if classes is not None and (len(classes) != 1 or classes[0][1] != 1):
        rule = "must be one number without contexts=classes"
        raise InputError("class", rule, str(classes), "Pass class=207, or contexts=classes too.")
    return Options(steps, stem, classes[0][0] if classes else None, guidance)


def _check_label(options: Options, pipeline: Pipeline) -> None:
    """Check that a class is named where there are some, and guidance given where there is any."""
    label, classes = options.label, pipeline.classes
    if not classes and label is not None:
        raise InputError(
            "class", "must not be given to a model without classes", label, "Leave it out."
        )
    if classes and not 0 <= (-1 if label is None else label) < classes:
        rule = f"must be 0 to {classes - 1}, a class of the model"
        raise InputError("class", rule, label, "Write it like diffusers:folder?class=0.")
    if pipeline.kind != TRANSFORMER and options.guidance != 1:
        rule = f"must be 1 where the model was not trained without class, as a {TRANSFORMER} is"
        raise InputError("guidance", rule, options.guidance, "Leave it out.")


def whole_number(text: str) -> int:
    """Return the number that an option gives; ValueError where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise ValueError(text)
    return int(text)

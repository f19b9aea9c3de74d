"""Embeddings of prompts, computed once and kept."""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.seeds import Stream, generator_for

DESCRIBED = 8
"""Numbers by which a latent classifier knows a prompt; chosen by hand."""

_CACHED = 2**32
"""Bytes of embeddings that are kept in main memory; chosen by hand. 1,000 prompts of Flux in half
precision, and 14,000 of Stable Diffusion in single precision."""


class Embeddings:
    """The embeddings of prompts. Several threads may ask at once.

    Parameters
    ----------
    pipeline : object
        A text-to-image pipeline of diffusers.
    names : tuple of str
        What its `encode_prompt` returns.
    texts : sequence of sequence of str
        Prompts by context and variant.
    negatives : sequence of str or None
        Negative prompt of each context.
    guided : bool
        Whether those of the negative prompt are needed.
    """

    def __init__(
        self,
        pipeline: Any,
        names: tuple[str, ...],
        texts: Sequence[Sequence[str]],
        negatives: Sequence[str | None],
        guided: bool,
    ) -> None:
        self._pipeline, self._names, self._guided = pipeline, names, guided
        self._texts, self._negatives = texts, negatives
        self._kept: OrderedDict[tuple[int, int], dict[str, torch.Tensor]] = OrderedDict()
        self._held, self._lock = 0, threading.Lock()
        self._described: dict[tuple[int, int], NDArray[np.float32]] = {}

    def of(self, context: int, variant: int) -> dict[str, torch.Tensor]:
        """Return those of one prompt, by the names of the pipeline's arguments, on the CPU."""
        key = int(context), int(variant)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._encoded(*key)
                self._held += _bytes(self._kept[key])
            found = self._kept[key]
            self._kept.move_to_end(key)
            while self._held > _CACHED and len(self._kept) > 1:
                self._held -= _bytes(self._kept.popitem(last=False)[1])
        return found

    def described(self, context: int, variant: int) -> NDArray[np.float32]:
        """Return a prompt as few numbers for a latent classifier, shape (`DESCRIBED`,).

        A random projection, the same everywhere, of the mean embedding of its tokens.
        """
        key = int(context), int(variant)
        if key not in self._described:
            tokens = self.of(*key)[self._names[0]].float().reshape(-1, self._width).mean(dim=0)
            vector = tokens.numpy() / max(float(tokens.norm()), 1e-9)
            rng = generator_for(0, Stream.PROMPT_DESCRIPTION)
            directions = rng.standard_normal((self._width, DESCRIBED))
            self._described[key] = np.asarray(vector @ directions, np.float32)
        return self._described[key]

    @property
    def _width(self) -> int:
        return int(self.of(0, 0)[self._names[0]].shape[-1])

    def _encoded(self, context: int, variant: int) -> dict[str, torch.Tensor]:
        known = inspect.signature(self._pipeline.encode_prompt).parameters
        given = {
            "prompt": self._texts[context][variant],
            "prompt_2": None,
            "prompt_3": None,
            "device": self._pipeline.device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": self._guided,
        }
        if self._negatives[context]:
            given["negative_prompt"] = self._negatives[context]
        # Sana puts an instruction before each prompt, which its call alone has by default.
        instruction = "complex_human_instruction"
        call = inspect.signature(self._pipeline.__call__).parameters
        if instruction in call:
            given[instruction] = call[instruction].default
        given = {key: value for key, value in given.items() if key in known}
        with torch.inference_mode():
            found = self._pipeline.encode_prompt(**given)
        pairs = zip(self._names, found, strict=False)
        return {key: value.cpu() for key, value in pairs if value is not None}


def _bytes(tensors: dict[str, torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())

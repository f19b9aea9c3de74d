"""The noise that StyleGAN2's layers add: what is stored, or a code's own."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.seeds import Stream, generator_for

Noise = Callable[[torch.Tensor], torch.Tensor]
"""A layer's stored noise, shape (size, size), to what it adds: alike, or (n, 1, size, size)."""


def stored(noise: torch.Tensor) -> torch.Tensor:
    """Return the stored noise itself."""
    return noise


class OwnNoise:
    """Standard normal noise that each code draws for itself, so that a code names one image.

    Layers are to ask once each, in their order.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    """

    def __init__(self, codes: NDArray[np.float32]) -> None:
        # + 0 makes -0 and 0, which are one value, one code.
        digests = [blake2b((row + 0).tobytes(), digest_size=8).digest() for row in codes]
        seeds = [int.from_bytes(digest, "big") >> 1 for digest in digests]
        self._sources = [generator_for(seed, Stream.NOISE) for seed in seeds]

    def __call__(self, noise: torch.Tensor) -> torch.Tensor:
        """Return noise for one layer, shape (n, 1, size, size)."""
        shape = (1, *noise.shape)
        drawn = [source.standard_normal(shape, dtype=np.float32) for source in self._sources]
        return torch.from_numpy(np.stack(drawn)).to(noise.device)

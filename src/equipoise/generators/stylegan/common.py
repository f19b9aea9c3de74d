"""Parts that StyleGANs share: linear maps, the mapping network, and noise.

The mapping network takes codes of z, and classes, to codes of w. Noise is an input of the layers of
StyleGAN 1 and 2: the stored one, or noise that each code draws for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from equipoise.core.seeds import Stream, generator_for
from equipoise.generators.stylegan.sizes import MappingSizes

SLOPE = 0.2
"""Slope of leaky ReLU below 0."""

GAIN = 2**0.5
"""Factor that restores the mean square, which leaky ReLU about halves."""

EPSILON = 1e-8
"""Added before a square root, as in the authors' code."""


def unit_square(rows: torch.Tensor) -> torch.Tensor:
    """Scale each row to mean square 1."""
    return rows * torch.rsqrt(rows.square().mean(dim=1, keepdim=True) + EPSILON)


class Linear(nn.Module):
    """A linear map with equalised learning rate (Karras et al. 2018, arXiv 1710.10196)."""

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._weight_gain, self._bias_gain = rate / inputs**0.5, rate

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map rows of shape (n, inputs) to (n, outputs)."""
        beta, alpha = self._bias_gain, self._weight_gain
        return torch.addmm(self.bias, rows, self.weight.T, beta=beta, alpha=alpha)


class Mapping(nn.Module):
    """The mapping network: fully connected layers on the normalised code and class embedding.

    Parameters
    ----------
    config : MappingSizes
    """

    w_avg: torch.Tensor

    def __init__(self, config: MappingSizes) -> None:
        super().__init__()
        inputs = config.z_dim
        self.embed: Linear | None = None
        if config.c_dim:
            self.embed = Linear(config.c_dim, config.embed_width)
            inputs += config.embed_width
        between = [config.mapping_width] * max(config.mapping_layers - 1, 0)
        widths = [inputs, *between, config.w_dim]
        for i in range(config.mapping_layers):
            self.add_module(f"fc{i}", Linear(widths[i], widths[i + 1], config.mapping_rate))
        self._depth = config.mapping_layers
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
        """Return codes of w, shape (n, w_dim), float32.

        Parameters
        ----------
        z : torch.Tensor, shape (n, z_dim), float32
        classes : torch.Tensor, shape (n, c_dim), float32, or None
            One-hot; None for a network without classes.
        """
        x = unit_square(z)
        if self.embed is not None:
            x = torch.cat([x, unit_square(self.embed(classes))], dim=1)
        for i in range(self._depth):
            x = functional.leaky_relu_(self.get_submodule(f"fc{i}")(x), SLOPE) * GAIN
        return x


Noise = Callable[[torch.Tensor], torch.Tensor]
"""From a layer's stored noise, shape (size, size), to the noise that it adds.

The result has the same shape, or (n, 1, size, size)."""


def stored(noise: torch.Tensor) -> torch.Tensor:
    """Return the stored noise unchanged."""
    return noise


class OwnNoise:
    """Standard normal noise seeded by each code's values, so that a code determines its image.

    Each layer must call it once, in the order of the layers.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    """

    def __init__(self, codes: NDArray[np.float32]) -> None:
        # Adding 0 turns -0 into 0, so that equal codes have equal bytes.
        digests = [blake2b((row + 0).tobytes(), digest_size=8).digest() for row in codes]
        seeds = [int.from_bytes(digest, "big") >> 1 for digest in digests]
        self._sources = [generator_for(seed, Stream.NOISE_MAPS) for seed in seeds]

    def __call__(self, noise: torch.Tensor) -> torch.Tensor:
        """Return noise for one layer, shape (n, 1, size, size)."""
        shape = (1, *noise.shape)
        drawn = [source.standard_normal(shape, dtype=np.float32) for source in self._sources]
        return torch.from_numpy(np.stack(drawn)).to(noise.device)

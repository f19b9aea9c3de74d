"""The sizes of a StyleGAN2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.errors import InputError, check_count

ARCHITECTURES = ("skip", "resnet", "orig")
"""How blocks give images: each adds to one (skip), blocks are residual, or only the last paints."""

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)

_WIDEST = 8192
_DEEPEST = 64


@dataclass(frozen=True)
class Config:
    """All that decides the shapes and the arithmetic of a StyleGAN2, its weights apart.

    Attributes
    ----------
    resolution : int
        Height and width of images, one of `RESOLUTIONS`.
    channels : tuple of int
        Width of the block of 4, 8, ... resolution pixels; `channels_of` gives the usual ones.
    architecture : str
        One of `ARCHITECTURES`.
    z_dim, w_dim : int
        Values in a code of z, and in one of w.
    c_dim : int
        Classes; 0 for a network without.
    mapping_layers : int
        Depth of the mapping network.
    mapping_width, embed_width : int
        Values between its layers, and in the embedding of a class.
    mapping_rate : float
        Factor of its weights and biases, the paper's learning rate multiplier.
    noise : bool
        Whether layers have noise.
    conv_clamp : float or None
        Largest magnitude of activations; None leaves them.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> Config(256, channels_of(256)).styles
    14
    """

    resolution: int
    channels: tuple[int, ...]
    architecture: str = "skip"
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 8
    mapping_width: int = 512
    embed_width: int = 512
    mapping_rate: float = 0.01
    noise: bool = True
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        remedy = "Give the sizes that the network was trained with."
        if self.resolution not in RESOLUTIONS:
            allowed = f"must be one of {', '.join(map(str, RESOLUTIONS))}"
            raise InputError("resolution", allowed, self.resolution, remedy)
        if self.architecture not in ARCHITECTURES:
            allowed = f"must be one of {', '.join(ARCHITECTURES)}"
            raise InputError("architecture", allowed, self.architecture, remedy)
        if len(self.channels) != len(self.sizes):
            rule = f"must be one width for each of {len(self.sizes)} blocks"
            raise InputError("channels", rule, self.channels, remedy)
        widths = {
            **{f"channels[{i}]": width for i, width in enumerate(self.channels)},
            **{n: getattr(self, n) for n in ("z_dim", "w_dim", "mapping_width", "embed_width")},
        }
        for name, width in widths.items():
            if check_count(name, width, remedy) > _WIDEST:
                raise InputError(name, f"must be at most {_WIDEST}", width, remedy)
        if check_count("c_dim", self.c_dim, remedy, least=0) > _WIDEST:
            raise InputError("c_dim", f"must be at most {_WIDEST}", self.c_dim, remedy)
        if check_count("mapping_layers", self.mapping_layers, remedy) > _DEEPEST:
            rule = f"must be at most {_DEEPEST}"
            raise InputError("mapping_layers", rule, self.mapping_layers, remedy)
        for name in ("mapping_rate", "conv_clamp"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InputError(name, "must be above 0", value, remedy)

    @property
    def family(self) -> str:
        """How addresses call it."""
        return "stylegan2"

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return f"StyleGAN2 ({self.architecture})"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels of each block: 4, 8, ..., resolution."""
        return tuple(2**k for k in range(2, self.resolution.bit_length()))

    @property
    def styles(self) -> int:
        """Codes of w that an image takes: two for each block."""
        return 2 * len(self.sizes)


def channels_of(
    resolution: int, channel_base: int = 32768, channel_max: int = 512
) -> tuple[int, ...]:
    """Return min(channel_base / size, channel_max) for each block, as configuration F has them.

    Examples
    --------
    >>> channels_of(256)
    (512, 512, 512, 512, 512, 256, 128)
    """
    sizes = [2**k for k in range(2, resolution.bit_length())]
    return tuple(min(channel_base // size, channel_max) for size in sizes)

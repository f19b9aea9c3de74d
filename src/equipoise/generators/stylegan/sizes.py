"""Sizes of PGGAN, StyleGAN 1, 2 and 3 as checked records.

All extend the sizes of the mapping network. Those of StyleGAN3 include the frequency bands of its
layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from equipoise.core.errors import InputError
from equipoise.generators.stylegan.size_checks import (
    REMEDY,
    WIDEST,
    check_between,
    check_colours,
    check_positive,
    check_widths,
)

# Limits on the memory that a file may ask for; chosen by hand, above published networks.
_DEEPEST = 64
_MOST_LAYERS = 64
_LARGEST = 2048


@dataclass(frozen=True, kw_only=True)
class MappingSizes:
    """The sizes of a mapping network.

    Attributes
    ----------
    z_dim, w_dim : int
        Values in a code of z, and in a code of w. Without values in z, classes alone make images.
    c_dim : int
        Number of classes; 0 for a network without classes.
    mapping_layers : int
        Number of layers of the mapping network; none for a PGGAN.
    mapping_width, embed_width : int
        Values between its layers, and in the embedding of a class.
    mapping_rate : float
        Factor of its weights and biases: the paper's learning rate multiplier.

    Raises
    ------
    InputError
        When a value breaks its rule.
    """

    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 8
    mapping_width: int = 512
    embed_width: int = 512
    mapping_rate: float = 0.01

    def __post_init__(self) -> None:
        for name in ("w_dim", "mapping_width", "embed_width"):
            check_between(name, getattr(self, name), 1, WIDEST)
        check_between("c_dim", self.c_dim, 0, WIDEST)
        check_between("z_dim", self.z_dim, 0 if self.c_dim else 1, WIDEST)
        check_between("mapping_layers", self.mapping_layers, 0, _DEEPEST)
        check_positive("mapping_rate", self.mapping_rate)


ARCHITECTURES = ("skip", "resnet", "orig")
"""How images arise: every block adds to one (skip), or only the last block makes it, with residual
connections between blocks (resnet) or without (orig)."""

RESOLUTIONS = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Sides of images that a PGGAN, a StyleGAN 1 or 2 may have, in pixels."""


@dataclass(frozen=True)
class BlockSizes(MappingSizes):
    """The sizes of a network of blocks, each of which doubles the size of the image.

    Attributes
    ----------
    resolution : int
        Height and width of images, one of `RESOLUTIONS`.
    channels : tuple of int
        Channels of the blocks of 4, 8, ... resolution pixels; `channels_of` returns the usual ones.
    image_channels : int
        1 for grey, 3 for RGB, 4 for RGB and opacity.
    z_dim, w_dim, c_dim, mapping_layers, mapping_width, embed_width, mapping_rate
        As of `MappingSizes`.

    Raises
    ------
    InputError
        When a value breaks its rule.
    """

    resolution: int
    channels: tuple[int, ...]
    image_channels: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution not in RESOLUTIONS:
            allowed = f"must be one of {', '.join(map(str, RESOLUTIONS))}"
            raise InputError("resolution", allowed, self.resolution, REMEDY)
        if len(self.channels) != len(self.sizes):
            rule = f"must be one width for each of {len(self.sizes)} blocks"
            raise InputError("channels", rule, self.channels, REMEDY)
        check_widths(self.channels)
        check_colours("image_channels", self.image_channels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pixels of each block: 4, 8, ..., resolution."""
        return tuple(2**k for k in range(2, self.resolution.bit_length()))

    @property
    def styles(self) -> int:
        """Number of codes of w per image: two for each block."""
        return 2 * len(self.sizes)


@dataclass(frozen=True)
class ProgressiveConfig(BlockSizes):
    """The sizes of a StyleGAN 1 (arXiv 1812.04948), or of a PGGAN (arXiv 1710.10196).

    Attributes
    ----------
    family : str
        Its family in addresses: "stylegan1", or "pggan", which has no layers of mapping.
    resolution, channels, image_channels
        As of `BlockSizes`.
    z_dim, w_dim, c_dim, mapping_layers, mapping_width, embed_width, mapping_rate
        As of `MappingSizes`.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> ProgressiveConfig(8, (16, 16)).family, ProgressiveConfig(8, (16, 16), mapping_layers=0).kind
    ('stylegan1', 'PGGAN')
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mapping_layers and self.w_dim != self.z_dim:
            raise InputError("w_dim", f"must be z_dim, {self.z_dim}", self.w_dim, REMEDY)

    @property
    def family(self) -> str:
        """Its family in addresses."""
        return "stylegan1" if self.mapping_layers else "pggan"

    @property
    def kind(self) -> str:
        """Its architecture in words."""
        return "StyleGAN1" if self.mapping_layers else "PGGAN"


@dataclass(frozen=True)
class StyleGAN2Config(BlockSizes):
    """The sizes of a StyleGAN2.

    Attributes
    ----------
    family : str
        Its family in addresses.
    architecture : str
        One of `ARCHITECTURES`.
    noise : bool
        Whether layers add noise.
    conv_clamp : float or None
        Bound on the magnitude of activations; None for none.
    resolution, channels, image_channels
        As of `BlockSizes`.
    z_dim, w_dim, c_dim, mapping_layers, mapping_width, embed_width, mapping_rate
        As of `MappingSizes`.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> StyleGAN2Config(256, channels_of(256)).styles
    14
    """

    family: ClassVar[str] = "stylegan2"

    architecture: str = "skip"
    noise: bool = True
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture not in ARCHITECTURES:
            allowed = f"must be one of {', '.join(ARCHITECTURES)}"
            raise InputError("architecture", allowed, self.architecture, REMEDY)
        if not self.mapping_layers:
            raise InputError("mapping_layers", "must be at least 1", 0, REMEDY)
        check_positive("conv_clamp", self.conv_clamp)

    @property
    def kind(self) -> str:
        """Its architecture in words."""
        return f"StyleGAN2 ({self.architecture})"


def channels_of(resolution: int) -> tuple[int, ...]:
    """Return the channels of each block in configuration F: min(32768 / size, 512).

    Examples
    --------
    >>> channels_of(256)
    (512, 512, 512, 512, 512, 256, 128)
    """
    sizes = [2**k for k in range(2, resolution.bit_length())]
    return tuple(min(32768 // size, 512) for size in sizes)


@dataclass(frozen=True)
class Band:
    """The frequency band and sampling of one layer's output.

    Attributes
    ----------
    cutoff : float
        Highest frequency that passes, in cycles per image width.
    rate : int
        Samples per image width.
    size : int
        Samples per side, including the margin around the image.
    """

    cutoff: float
    rate: int
    size: int


@dataclass(frozen=True)
class StyleGAN3Config(MappingSizes):
    """The sizes of a StyleGAN3.

    Attributes
    ----------
    family : str
        Its family in addresses.
    resolution : int
        Height and width of images, a power of 2 from 16 to 2048.
    channels : tuple of int
        Channels of each layer; in the last those of images: 1, 3 or 4. The input has as many as the
        first layer.
    kernel : int
        Size of the convolutions: 3 in configuration T, 1 in R.
    radial : bool
        Whether layers that are not critically sampled use radial downsampling filters, as in R.
    critical : int
        Number of critically sampled layers before the last one.
    margin : int
        Samples around the image on each side.
    output_scale : float
        Factor of the output.
    first_cutoff, first_stopband, last_stopband_rel : float
        Parameters of the geometric progression of bands (section 3.2 and appendix C of the paper).
    filter_size, upsampling : int
        Taps of the filters per sample, and the upsampling factor around the activation.
    conv_clamp : float or None
        Bound on the magnitude of activations; None for none.
    z_dim, w_dim, c_dim, mapping_layers, mapping_width, embed_width, mapping_rate
        As of `MappingSizes`.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> config = StyleGAN3Config(1024, (512,) * 14 + (3,))
    >>> config.styles, [band.size for band in config.bands][:4]
    (16, [36, 36, 52, 52])
    """

    family: ClassVar[str] = "stylegan3"

    resolution: int
    channels: tuple[int, ...]
    kernel: int = 3
    radial: bool = False
    critical: int = 2
    margin: int = 10
    output_scale: float = 0.25
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    filter_size: int = 6
    upsampling: int = 2
    conv_clamp: float | None = 256.0
    mapping_layers: int = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        powers = tuple(2**k for k in range(4, _LARGEST.bit_length()))
        if self.resolution not in powers:
            rule = f"must be a power of 2 from 16 to {_LARGEST}"
            raise InputError("resolution", rule, self.resolution, REMEDY)
        if not 4 <= len(self.channels) <= _MOST_LAYERS:
            rule = f"must be 4 to {_MOST_LAYERS} widths"
            raise InputError("channels", rule, self.channels, REMEDY)
        check_colours("channels of the last layer", self.channels[-1])
        check_widths(self.channels)
        limits = {
            "mapping_layers": (1, _DEEPEST),
            "kernel": (1, 7),
            "critical": (0, len(self.channels) - 2),
            "margin": (0, 100),
            "filter_size": (2, 32),
            "upsampling": (1, 8),
        }
        for name, (least, most) in limits.items():
            check_between(name, getattr(self, name), least, most)
        bands = ("first_cutoff", "first_stopband", "last_stopband_rel")
        for name in ("output_scale", *bands, "conv_clamp"):
            check_positive(name, getattr(self, name))
        if not 1 <= self.first_cutoff < self.resolution / 2:
            rule = "must be at least 1, and less than half the resolution"
            raise InputError("first_cutoff", rule, self.first_cutoff, REMEDY)
        if not self.first_cutoff < self.first_stopband < self.resolution:
            rule = "must be above first_cutoff, and less than the resolution"
            raise InputError("first_stopband", rule, self.first_stopband, REMEDY)
        if not 1 <= self.last_stopband_rel <= 4:
            raise InputError("last_stopband_rel", "must be 1 to 4", self.last_stopband_rel, REMEDY)

    @property
    def kind(self) -> str:
        """Its architecture in words."""
        return f"StyleGAN3 (convolutions of {self.kernel}x{self.kernel})"

    @property
    def image_channels(self) -> int:
        """1 for grey, 3 for RGB, 4 for RGB and opacity."""
        return self.channels[-1]

    @property
    def styles(self) -> int:
        """Number of codes of w per image: one for the input and one for each layer."""
        return len(self.channels) + 1

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The band of each layer's output (appendix C); the input has that of the first layer."""
        layers = len(self.channels) - 1
        place = np.minimum(np.arange(layers + 1) / (layers - self.critical), 1)
        last = self.resolution / 2
        cutoffs = self.first_cutoff * (last / self.first_cutoff) ** place
        last_stop = last * self.last_stopband_rel
        stops = self.first_stopband * (last_stop / self.first_stopband) ** place
        rates = 2 ** np.ceil(np.log2(np.minimum(2 * stops, self.resolution)))
        sizes = rates + 2 * self.margin
        sizes[-2:] = self.resolution
        return tuple(
            Band(float(c), int(r), int(s)) for c, r, s in zip(cutoffs, rates, sizes, strict=True)
        )

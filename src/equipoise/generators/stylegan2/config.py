"""The sizes of a StyleGAN2."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.errors import InputError
from equipoise.generators.stylegan.sizes import REMEDY, MappingSizes, check_positive, check_widths

ARCHITECTURES = ("skip", "resnet", "orig")
"""How blocks give images: each adds to one (skip), blocks are residual, or only the last paints."""

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Config(MappingSizes):
    """All that decides the shapes and the arithmetic of a StyleGAN2, its weights apart.

    Attributes
    ----------
    resolution : int
        Height and width of images, one of `RESOLUTIONS`.
    channels : tuple of int
        Width of the block of 4, 8, ... resolution pixels; `channels_of` gives the usual ones.
    architecture : str
        One of `ARCHITECTURES`.
    noise : bool
        Whether layers have noise.
    conv_clamp : float or None
        Largest magnitude of activations; None leaves them.
    z_dim, w_dim, c_dim, mapping_layers, mapping_width, embed_width, mapping_rate
        As of `MappingSizes`.

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
    noise: bool = True
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution not in RESOLUTIONS:
            allowed = f"must be one of {', '.join(map(str, RESOLUTIONS))}"
            raise InputError("resolution", allowed, self.resolution, REMEDY)
        if self.architecture not in ARCHITECTURES:
            allowed = f"must be one of {', '.join(ARCHITECTURES)}"
            raise InputError("architecture", allowed, self.architecture, REMEDY)
        if len(self.channels) != len(self.sizes):
            rule = f"must be one width for each of {len(self.sizes)} blocks"
            raise InputError("channels", rule, self.channels, REMEDY)
        check_widths(self.channels)
        check_positive("conv_clamp", self.conv_clamp)

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

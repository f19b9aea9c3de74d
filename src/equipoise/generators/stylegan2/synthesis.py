"""The synthesis network: codes of w to images."""

from __future__ import annotations

import torch
from torch import nn

from equipoise.generators.stylegan.noise import Noise
from equipoise.generators.stylegan2.config import Config
from equipoise.generators.stylegan2.layers import Skip, StyledConv, ToRGB, Upsample


class Block(nn.Module):
    """The layers of one size.

    Parameters
    ----------
    config : Config
    number : int
        0 for the block of 4x4 pixels, 1 for that of 8x8, ...
    """

    def __init__(self, config: Config, number: int) -> None:
        super().__init__()
        size, outputs = config.sizes[number], config.channels[number]
        inputs = config.channels[number - 1]

        def conv(channels: int, up: bool) -> StyledConv:
            return StyledConv(
                *(channels, outputs, config.w_dim, size),
                up=up,
                noise=config.noise,
                clamp=config.conv_clamp,
            )

        self.conv0: StyledConv | None = None
        self.skip: Skip | None = None
        self.torgb: ToRGB | None = None
        self.upsample: Upsample | None = None
        if number == 0:
            self.const = nn.Parameter(torch.randn(outputs, size, size))
        else:
            self.conv0 = conv(inputs, up=True)
            if config.architecture == "resnet":
                self.skip = Skip(inputs, outputs)
        self.conv1 = conv(outputs, up=False)
        if config.architecture == "skip" or size == config.resolution:
            self.torgb = ToRGB(outputs, config.w_dim, config.conv_clamp)
            self.upsample = Upsample(3)

    def forward(
        self, x: torch.Tensor | None, ws: torch.Tensor, noise: Noise | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features, shape (n, channels, size, size), and the style that is next.

        Parameters
        ----------
        x : torch.Tensor or None
            Features of half the size; None in the first block.
        ws : torch.Tensor, shape (n, 2 or 3, w_dim)
            The block's styles: of its convolutions, then of its colours.
        noise : Noise or None
        """
        if self.conv0 is None or x is None:
            x = self.const.expand(len(ws), -1, -1, -1)
            return self.conv1(x.contiguous(memory_format=torch.channels_last), ws[:, 0], noise), (
                ws[:, 1]
            )
        gain = 1.0 if self.skip is None else 0.5**0.5
        beside = None if self.skip is None else self.skip(x, gain)
        x = self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise, gain)
        return x if beside is None else beside.add_(x), ws[:, 2]


class Synthesis(nn.Module):
    """Blocks of 4, 8, ... resolution pixels.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._names = [f"b{size}" for size in config.sizes]
        for number, name in enumerate(self._names):
            self.add_module(name, Block(config, number))

    def forward(self, ws: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """Return images, shape (n, 3, resolution, resolution), about [-1, 1].

        Parameters
        ----------
        ws : torch.Tensor, shape (n, styles, w_dim), float32
            A block's colours share their style with the next block's first convolution.
        noise : Noise or None
            What layers add.
        """
        x: torch.Tensor | None = None
        image: torch.Tensor | None = None
        for number, name in enumerate(self._names):
            block = self.get_submodule(name)
            assert isinstance(block, Block)
            x, last = block(x, ws[:, max(2 * number - 1, 0) : 2 * number + 2], noise)
            if block.torgb is not None and block.upsample is not None:
                colours = block.torgb(x, last)
                image = colours if image is None else block.upsample(image).add_(colours)
        assert image is not None
        return image

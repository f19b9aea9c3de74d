"""The synthesis networks of PGGAN and StyleGAN 1, which were trained by growing.

In both, blocks of two convolutions double the size of the image by repeating pixels. A PGGAN
normalises each pixel's values before each convolution (Karras et al. 2018, arXiv 1710.10196,
section 4.2). A StyleGAN 1 starts from a constant, blurs what it doubles, adds noise, normalises
each channel of an image, and scales and shifts it by w (Karras et al. 2019, arXiv 1812.04948,
section 2). Weights are stored with their scales multiplied in.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from equipoise.generators.stylegan.common import EPSILON, SLOPE, Linear, Noise, unit_square
from equipoise.generators.stylegan.sizes import ProgressiveConfig as Config


class Epilogue(nn.Module):
    """What follows each convolution of a StyleGAN 1: noise, bias, activation, and the style.

    Parameters
    ----------
    channels, styles : int
        Channels of the features, and values of w.
    size : int
        Height and width of the features.
    """

    noise_const: torch.Tensor

    def __init__(self, channels: int, styles: int, size: int) -> None:
        super().__init__()
        self.affine = Linear(styles, 2 * channels)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.noise_strength = nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise_const", torch.randn(size, size))

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """Return features of the shape of x, (n, channels, size, size)."""
        if noise is not None:
            x = x + noise(self.noise_const) * self.noise_strength[:, None, None]
        x = functional.leaky_relu(x + self.bias[:, None, None], SLOPE)
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=(2, 3), keepdim=True) + EPSILON)
        style: torch.Tensor = self.affine(w)[:, :, None, None]
        scale, shift = style.chunk(2, dim=1)
        return x * scale + shift


def blurred(x: torch.Tensor) -> torch.Tensor:
    """Blur each channel by [1, 2, 1] / 4 on both axes."""
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
    return functional.conv2d(x, kernel, padding=1, groups=x.shape[1])


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Repeat each pixel, to twice the height and width."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class Kernel(nn.Module):
    """The weights of a convolution, and its bias where nothing follows that adds one."""

    def __init__(self, inputs: int, outputs: int, size: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) / (inputs**0.5 * size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: torch.Tensor, padding: int) -> torch.Tensor:
        """Convolve x, shape (n, inputs, height, width)."""
        return functional.conv2d(x, self.weight, self.bias, padding=padding)


class Styled(nn.Module):
    """A block of StyleGAN 1, of `size` x `size` pixels."""

    def __init__(self, inputs: int, outputs: int, styles: int, size: int) -> None:
        super().__init__()
        self.conv0: Kernel | None = None
        if size == 4:
            self.const = nn.Parameter(torch.ones(outputs, size, size))
        else:
            self.conv0 = Kernel(inputs, outputs, 3, bias=False)
        self.epilogue0 = Epilogue(outputs, styles, size)
        self.conv1 = Kernel(outputs, outputs, 3, bias=False)
        self.epilogue1 = Epilogue(outputs, styles, size)

    def forward(
        self, x: torch.Tensor | None, ws: torch.Tensor, noise: Noise | None
    ) -> torch.Tensor:
        """Return features, shape (n, outputs, size, size), from those of half the size."""
        if self.conv0 is None or x is None:
            x = self.const.expand(len(ws), -1, -1, -1)
        else:
            x = blurred(self.conv0(doubled(x), 1))
        x = self.epilogue0(x, ws[:, 0], noise)
        out: torch.Tensor = self.epilogue1(self.conv1(x, 1), ws[:, 1], noise)
        return out


class Plain(nn.Module):
    """A block of PGGAN, of `size` x `size` pixels."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self._first = size == 4
        self.conv0 = Kernel(inputs, outputs, 4 if self._first else 3, bias=True)
        self.conv1 = Kernel(outputs, outputs, 3, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features, shape (n, outputs, size, size), from those of half the size."""
        x = unit_square(x)
        x = self.conv0(x, 3) if self._first else self.conv0(doubled(x), 1)
        x = self.conv1(unit_square(functional.leaky_relu(x, SLOPE)), 1)
        return functional.leaky_relu(x, SLOPE)


class Synthesis(nn.Module):
    """The blocks of 4, 8, ... resolution pixels, and the colours of the last.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._names = [f"b{size}" for size in config.sizes]
        self._styled = config.mapping_layers > 0
        inputs = config.w_dim
        for name, size, outputs in zip(self._names, config.sizes, config.channels, strict=True):
            styled = Styled(inputs, outputs, config.w_dim, size) if self._styled else None
            self.add_module(name, styled or Plain(inputs, outputs, size))
            inputs = outputs
        self.torgb = Kernel(inputs, config.image_channels, 1, bias=True)

    def forward(self, ws: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """Return images, shape (n, image_channels, resolution, resolution), roughly in [-1, 1].

        Parameters
        ----------
        ws : torch.Tensor, shape (n, styles, w_dim), float32
        noise : Noise or None
            The noise that layers of StyleGAN 1 add; None for none.
        """
        x: torch.Tensor | None = None if self._styled else ws[:, 0, :, None, None]
        for number, name in enumerate(self._names):
            block = self.get_submodule(name)
            styles = ws[:, 2 * number : 2 * number + 2]
            x = block(x, styles, noise) if self._styled else block(x)
        assert x is not None
        image: torch.Tensor = self.torgb(x if self._styled else unit_square(x), 0)
        return image

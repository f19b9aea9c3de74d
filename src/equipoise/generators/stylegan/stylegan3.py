"""The synthesis network of StyleGAN3: Fourier features, and alias-free convolutions.

Filters are stored with the weights and read from there; none is computed here. Numbers of sections
refer to arXiv 2106.12423.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from equipoise.generators.stylegan.common import EPSILON, GAIN, SLOPE, Linear, Noise
from equipoise.generators.stylegan.sizes import Band
from equipoise.generators.stylegan.sizes import StyleGAN3Config as Config


class FourierInput(nn.Module):
    """Waves of fixed frequencies, rotated and translated by w, then mixed (section 3.2).

    Parameters
    ----------
    channels, styles : int
        Number of waves, and values of w.
    band : Band
    """

    freqs: torch.Tensor
    phases: torch.Tensor
    transform: torch.Tensor
    places: torch.Tensor

    def __init__(self, channels: int, styles: int, band: Band) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Linear(styles, 4)
        self.register_buffer("freqs", band.cutoff * torch.rand(channels, 2) / 2**0.5)
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        # Centres of the samples; the image extends from -1/2 to 1/2.
        places = (torch.arange(band.size) + 0.5 - band.size / 2) / band.rate
        self.register_buffer("places", places, persistent=False)
        self._band = band

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        """Return features, shape (n, channels, size, size)."""
        pose = self.affine(w)
        pose = pose / pose[:, :2].norm(dim=1, keepdim=True)
        cos, sin, right, down = pose.unbind(1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rotation = _matrices((cos, -sin, zero), (sin, cos, zero), (zero, zero, one))
        translation = _matrices((one, zero, -right), (zero, one, -down), (zero, zero, one))
        whole = rotation @ translation @ self.transform
        phases = self.phases + (self.freqs @ whole[:, :2, 2:]).squeeze(2)
        freqs = self.freqs @ whole[:, :2, :2]
        # Waves that the transform moves beyond the band are faded out, so that they do not alias.
        room = self._band.rate / 2 - self._band.cutoff
        amplitudes = (1 - (freqs.norm(dim=2) - self._band.cutoff) / room).clamp(0, 1)
        across, along = freqs[:, :, 0], freqs[:, :, 1]
        angles = (
            across[:, :, None, None] * self.places
            + along[:, :, None, None] * self.places[:, None]
            + phases[:, :, None, None]
        )
        waves = torch.sin(2 * np.pi * angles) * amplitudes[:, :, None, None]
        mixed = torch.einsum("nchw,oc->nohw", waves, self.weight / len(self.weight) ** 0.5)
        return mixed.contiguous(memory_format=torch.channels_last)


class FilteredConv(nn.Module):
    """A modulated convolution whose activation is applied at a higher sampling rate.

    Parameters
    ----------
    config : Config
    number : int
        Number of the layer. The last one returns colours, without demodulation and activation.
    """

    magnitude_ema: torch.Tensor
    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None

    def __init__(self, config: Config, number: int) -> None:
        super().__init__()
        before, band = config.bands[max(number - 1, 0)], config.bands[number]
        inputs, outputs = config.channels[max(number - 1, 0)], config.channels[number]
        self._colours = number == len(config.channels) - 1
        self._kernel = 1 if self._colours else config.kernel
        between = max(before.rate, band.rate) * (1 if self._colours else config.upsampling)
        self._up, self._down = between // before.rate, between // band.rate
        self.affine = Linear(config.w_dim, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, self._kernel, self._kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("magnitude_ema", torch.ones(()))
        critical = number >= len(config.channels) - 1 - config.critical
        taps = [
            config.filter_size * factor if factor > 1 and not self._colours else 1
            for factor in (self._up, self._down)
        ]
        shapes = ((taps[0],), (taps[1],) * (2 if config.radial and not critical else 1))
        for name, shape in zip(("up_filter", "down_filter"), shapes, strict=True):
            stored = torch.full(shape, 1 / float(np.prod(shape))) if shape[0] > 1 else None
            self.register_buffer(name, stored)
        # The padding makes up for what downsampling and filters remove from the output's size.
        missing = (band.size - 1) * self._down + 1
        missing -= (before.size + self._kernel - 1) * self._up
        missing += sum(taps) - 2
        low = (missing + self._up) // 2
        self._padding = (low, missing - low)
        self._clamp = config.conv_clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Convolve x with the styles of w, shape (n, styles)."""
        style: torch.Tensor = self.affine(w)
        weight: torch.Tensor = self.weight
        if self._colours:
            style = style / weight[0].numel() ** 0.5
        else:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
        x = functional.conv2d(x * style[:, :, None, None], weight, padding=self._kernel - 1)
        scale = self.magnitude_ema.rsqrt()
        if not self._colours:
            energy = style.square() @ weight.square().sum(dim=(2, 3)).T
            scale = scale * (energy + EPSILON).rsqrt()[:, :, None, None]
        x = x * scale + self.bias[:, None, None]
        x = _sampled_up(x, self.up_filter, self._up, self._padding)
        if not self._colours:
            x = functional.leaky_relu(x, SLOPE) * GAIN
        if self._clamp is not None:
            x = x.clamp(-self._clamp, self._clamp)
        return _sampled_down(x, self.down_filter, self._down)


def _matrices(*rows: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return matrices, shape (n, rows, columns), from rows of entries of shape (n,)."""
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _kernels(taps: torch.Tensor, channels: int) -> list[torch.Tensor]:
    """Return a filter as depthwise kernels: two for a separable filter, one for a radial one."""
    parts = [taps[:, None], taps[None]] if taps.ndim == 1 else [taps]
    return [part.expand(channels, 1, *part.shape) for part in parts]


def _sampled_up(
    x: torch.Tensor, taps: torch.Tensor | None, factor: int, padding: tuple[int, int]
) -> torch.Tensor:
    """Upsample: insert zeros between samples and filter. Padding counts samples of the result."""
    low, high = padding
    if taps is not None:
        for kernel in _kernels(taps * factor, x.shape[1]):
            stride = [factor if size > 1 else 1 for size in kernel.shape[2:]]
            x = functional.conv_transpose2d(x, kernel, stride=stride, groups=x.shape[1])
        # A transposed convolution returns the filter's whole extent, without zeros at its end.
        low, high = low - (len(taps) - 1), high - (len(taps) - 1) + factor - 1
    return functional.pad(x, (low, high, low, high))


def _sampled_down(x: torch.Tensor, taps: torch.Tensor | None, factor: int) -> torch.Tensor:
    """Downsample: filter, and take every `factor`-th sample."""
    if taps is None:
        return x[:, :, ::factor, ::factor]
    for kernel in _kernels(taps, x.shape[1]):
        stride = [factor if size > 1 else 1 for size in kernel.shape[2:]]
        x = functional.conv2d(x, kernel.flip(2, 3), stride=stride, groups=x.shape[1])
    return x


class Synthesis(nn.Module):
    """Fourier features, then layers named by number, size and channels.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input = FourierInput(config.channels[0], config.w_dim, config.bands[0])
        self._names, self._scale = [], config.output_scale
        for number, (band, width) in enumerate(zip(config.bands, config.channels, strict=True)):
            self._names.append(f"L{number}_{band.size}_{width}")
            self.add_module(self._names[-1], FilteredConv(config, number))

    def forward(self, ws: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """Return images, shape (n, image_channels, resolution, resolution), roughly in [-1, 1].

        Parameters
        ----------
        ws : torch.Tensor, shape (n, styles, w_dim), float32
        noise : Noise or None
            Not used: these layers have no noise.
        """
        x: torch.Tensor = self.input(ws[:, 0])
        for name, w in zip(self._names, ws.unbind(1)[1:], strict=True):
            x = self.get_submodule(name)(x, w)
        return x * self._scale

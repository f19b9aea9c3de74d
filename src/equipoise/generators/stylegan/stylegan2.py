"""The synthesis network of StyleGAN2: from codes of w to images, by modulated convolutions."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from equipoise.generators.stylegan.common import EPSILON, GAIN, SLOPE, Linear, Noise
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config


def blur_filter(channels: int) -> torch.Tensor:
    """Return the filter [1, 3, 3, 1] on both axes, with sum 4, shape (channels, 1, 4, 4)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    return torch.outer(taps, taps).expand(channels, 1, 4, 4).contiguous()


class StyledConv(nn.Module):
    """A modulated and demodulated 3x3 convolution, with noise and activation.

    Scaling the input and output of a convolution equals scaling its weights for each image (section
    2.2 of the paper), and allows one convolution for the whole batch.

    Parameters
    ----------
    inputs, outputs, styles : int
        Channels of input and output, and values of w.
    size : int
        Height and width of the output.
    up : bool
        Whether the size is doubled, by a transposed convolution and a blur.
    noise : bool
        Whether noise is added.
    clamp : float or None
        Bound on the magnitude of the output; None for none.
    """

    noise_const: torch.Tensor
    blur: torch.Tensor
    energy: torch.Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        styles: int,
        size: int,
        *,
        up: bool,
        noise: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.affine = Linear(styles, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength: nn.Parameter | None = None
        if noise:
            self.noise_strength = nn.Parameter(torch.zeros(()))
            self.register_buffer("noise_const", torch.randn(size, size))
        self.register_buffer("blur", blur_filter(outputs) if up else None, persistent=False)
        self.register_buffer("energy", torch.empty(outputs, inputs), persistent=False)
        self._up, self._clamp = up, clamp
        self._weigh()
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            lambda module, _: module._weigh()
        )

    def _weigh(self) -> None:
        """Store the squared weights, summed over the kernel's positions, for demodulation."""
        with torch.no_grad():
            self.energy.copy_(self.weight.square().sum(dim=(2, 3)))

    def forward(
        self, x: torch.Tensor, w: torch.Tensor, noise: Noise | None, gain: float = 1.0
    ) -> torch.Tensor:
        """Convolve x, shape (n, inputs, height, width), with the styles of w, shape (n, styles).

        x is overwritten unless gradients need it, because allocating memory costs more than the
        arithmetic.
        """
        style = self.affine(w)
        factor = style[:, :, None, None]
        x = x * factor if x.requires_grad else x.mul_(factor)
        if self._up:
            x = functional.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = functional.conv2d(x, self.blur, padding=1, groups=x.shape[1])
        else:
            x = functional.conv2d(x, self.weight, padding=1)
        # Leaky ReLU commutes with a positive factor, so its gain is merged into the scale of x.
        gain *= GAIN
        energy = style.square() @ self.energy.T
        scale = gain * torch.rsqrt(energy + EPSILON)[:, :, None, None]
        x = functional.leaky_relu_(x.mul_(scale).add_(self._offset(noise, gain)), SLOPE)
        limit = None if self._clamp is None else self._clamp * gain / GAIN
        if limit is None:
            return x
        return x.clamp(-limit, limit) if x.requires_grad else x.clamp_(-limit, limit)

    def _offset(self, noise: Noise | None, gain: float) -> torch.Tensor:
        """Return bias plus noise, times the gain, in a shape that broadcasts with x."""
        offset = self.bias[None, :, None, None] * gain
        if noise is not None and self.noise_strength is not None:
            offset = offset + noise(self.noise_const) * (self.noise_strength * gain)
        return offset.contiguous(memory_format=torch.channels_last)


class ToRGB(nn.Module):
    """A modulated 1x1 convolution to colours, without demodulation."""

    def __init__(self, inputs: int, colours: int, styles: int, clamp: float | None) -> None:
        super().__init__()
        self.affine = Linear(styles, inputs)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(colours))
        self._weight_gain, self._clamp = inputs**-0.5, clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Return colours, shape (n, colours, height, width)."""
        style = self.affine(w) * self._weight_gain
        kernels = style[:, None, :] * self.weight[:, :, 0, 0]
        # One product per image reads x once; scaling x first would also write it.
        colours = torch.einsum("nchw,noc->nohw", x, kernels).add_(self.bias[:, None, None])
        return colours if self._clamp is None else colours.clamp_(-self._clamp, self._clamp)


class Upsample(nn.Module):
    """Doubles height and width: inserts zeros and blurs."""

    blur: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("blur", blur_filter(channels), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x of twice the size."""
        return functional.conv_transpose2d(x, self.blur, stride=2, padding=1, groups=x.shape[1])


class Skip(nn.Module):
    """The shortcut of a residual block: a 1x1 convolution and upsampling by 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.upsample = Upsample(outputs)
        self._weight_gain = inputs**-0.5

    def forward(self, x: torch.Tensor, gain: float) -> torch.Tensor:
        """Return the shortcut of x, times the gain."""
        x = functional.conv2d(x, self.weight * (self._weight_gain * gain))
        doubled: torch.Tensor = self.upsample(x)
        return doubled


class Block(nn.Module):
    """The layers of one resolution.

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
            colours = config.image_channels
            self.torgb = ToRGB(outputs, colours, config.w_dim, config.conv_clamp)
            self.upsample = Upsample(colours)

    def forward(
        self, x: torch.Tensor | None, ws: torch.Tensor, noise: Noise | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features, shape (n, channels, size, size), and the style of the colours.

        Parameters
        ----------
        x : torch.Tensor or None
            Features of half the size; None in the first block.
        ws : torch.Tensor, shape (n, 2 or 3, w_dim)
            The styles of its convolutions, and that of its colours.
        noise : Noise or None
            None adds no noise.
        """
        if self.conv0 is None or x is None:
            x = self.const.expand(len(ws), -1, -1, -1)
            return self.conv1(x.contiguous(memory_format=torch.channels_last), ws[:, 0], noise), (
                ws[:, 1]
            )
        gain = 1.0 if self.skip is None else 0.5**0.5
        shortcut = None if self.skip is None else self.skip(x, gain)
        x = self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise, gain)
        return x if shortcut is None else shortcut.add_(x), ws[:, 2]


class Synthesis(nn.Module):
    """The blocks of 4, 8, ... resolution pixels.

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
        """Return images, shape (n, image_channels, resolution, resolution), roughly in [-1, 1].

        Parameters
        ----------
        ws : torch.Tensor, shape (n, styles, w_dim), float32
            A block's colours share their style with the next block's first convolution.
        noise : Noise or None
            The noise that layers add; None for none.
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

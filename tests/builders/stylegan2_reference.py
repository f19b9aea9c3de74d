"""A StyleGAN2 as the paper's equations have it: one image at a time, float64, nothing clever.

Weights are modulated and demodulated for each image (equations 1 and 3), and doubling the size is
done by zeros and a convolution with the whole filter.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from equipoise.generators.stylegan.common import stored
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config

State = dict[str, Tensor]


def small(seed: int = 0, **changes: object) -> Network:
    """A small network whose every parameter matters: no bias and no noise is 0."""
    sizes = {"channels": (8, 6, 5, 4), "z_dim": 12, "w_dim": 10, "mapping_layers": 3}
    config = Config(**{"resolution": 32, "mapping_width": 9, "embed_width": 7, **sizes, **changes})
    torch.manual_seed(seed)
    network = Network(config)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor += 0.3 * torch.randn(tensor.shape) / (config.mapping_rate if "fc" in name else 1)
    network.load_state_dict(state)
    return network


def map_codes(config: Config, state: State, z: Tensor, c: Tensor | None) -> Tensor:
    def normed(rows: Tensor) -> Tensor:
        return rows / (rows.square().mean(1, keepdim=True) + 1e-8).sqrt()

    x = normed(z)
    if c is not None:
        weight = state["mapping.embed.weight"]
        x = torch.cat(
            [x, normed(c @ weight.T / config.c_dim**0.5 + state["mapping.embed.bias"])], 1
        )
    for i in range(config.mapping_layers):
        weight, bias = (state[f"mapping.fc{i}.{kind}"] for kind in ("weight", "bias"))
        x = x @ (weight * config.mapping_rate / weight.shape[1] ** 0.5).T
        x = functional.leaky_relu(x + bias * config.mapping_rate, 0.2) * 2**0.5
    return x


def doubled(x: Tensor) -> Tensor:
    return blurred(zeros_between(x), 2, 1)


def zeros_between(x: Tensor) -> Tensor:
    channels, height, width = x.shape
    out = x.new_zeros(channels, 2 * height, 2 * width)
    out[:, ::2, ::2] = x
    return out


def blurred(x: Tensor, before: int, after: int) -> Tensor:
    taps = torch.tensor([1, 3, 3, 1], dtype=x.dtype) / 4
    kernel = torch.outer(taps, taps)[None, None]
    padded = functional.pad(x[:, None], (before, after, before, after))
    return functional.conv2d(padded, kernel)[:, 0]


def convolve(x: Tensor, weight: Tensor, up: bool) -> Tensor:
    if not up:
        return functional.conv2d(x[None], weight, padding=weight.shape[2] // 2)[0]
    # A true convolution of the image with zeros in between, then the blur.
    spread = functional.pad(zeros_between(x), (2, 1, 2, 1))
    return blurred(functional.conv2d(spread[None], weight.flip(2, 3))[0], 1, 1)


def styled(
    config: Config,
    state: State,
    name: str,
    x: Tensor,
    w: Tensor,
    noise: bool,
    up: bool,
    gain: float,
) -> Tensor:
    style = state[f"{name}.affine.weight"] @ w / len(w) ** 0.5 + state[f"{name}.affine.bias"]
    weight = state[f"{name}.weight"] * style[None, :, None, None]
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    x = convolve(x, weight, up)
    if noise and config.noise:
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    x = functional.leaky_relu(x + state[f"{name}.bias"][:, None, None], 0.2) * 2**0.5 * gain
    clamp = config.conv_clamp
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def paint(config: Config, state: State, name: str, x: Tensor, w: Tensor) -> Tensor:
    style = state[f"{name}.affine.weight"] @ w / len(w) ** 0.5 + state[f"{name}.affine.bias"]
    weight = state[f"{name}.weight"] * style[None, :, None, None] / len(x) ** 0.5
    colours = convolve(x, weight, False) + state[f"{name}.bias"][:, None, None]
    clamp = config.conv_clamp
    return colours if clamp is None else colours.clamp(-clamp, clamp)


def synthesise(config: Config, state: State, ws: Tensor, noise: bool) -> Tensor:
    image, used = None, 0
    for size in config.sizes:
        name = f"synthesis.b{size}"
        gain = 0.5**0.5 if config.architecture == "resnet" and size > 4 else 1.0
        if size == 4:
            x = state[f"{name}.const"]
        else:
            shortcut = x
            x = styled(config, state, f"{name}.conv0", x, ws[used], noise, True, 1.0)
            used += 1
        x = styled(config, state, f"{name}.conv1", x, ws[used], noise, False, gain)
        used += 1
        if gain < 1:
            kernel = state[f"{name}.skip.weight"] / len(shortcut) ** 0.5
            x = x + gain * doubled(convolve(shortcut, kernel, False))
        if config.architecture == "skip" or size == config.resolution:
            colours = paint(config, state, f"{name}.torgb", x, ws[used])
            image = colours if image is None else doubled(image) + colours
    return image


def reference_images(
    network: Network, z: np.ndarray, c: np.ndarray | None = None, noise: bool = True
) -> Tensor:
    """Return images of codes of z, shape (n, 3, size, size), float64."""
    config = network.config
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}
    classes = None if c is None else torch.from_numpy(c).double()
    w = map_codes(config, state, torch.from_numpy(z).double(), classes)
    return torch.stack(
        [synthesise(config, state, row.expand(config.styles, -1), noise) for row in w]
    )


def images_of(
    network: Network, z: np.ndarray, c: np.ndarray | None = None, noise: bool = False
) -> Tensor:
    """Return images of codes of z by the network itself, of StyleGAN2 or 3."""
    with torch.inference_mode():
        w = network.mapping(torch.from_numpy(z), None if c is None else torch.from_numpy(c))
        return network.synthesis(
            w[:, None].expand(-1, network.config.styles, -1), stored if noise else None
        )

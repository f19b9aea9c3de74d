"""A StyleGAN3 as the paper has it: one image at a time, float64, numpy, nothing clever.

Signals get zeros between their samples, and filters are applied row by row, then column by column.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import convolve2d

from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.sizes import StyleGAN3Config as Config
from tests.builders.stylegan2_reference import map_codes

Array = NDArray[np.float64]


def small(kind: str, seed: int = 0, **changes: object) -> Network:
    """A small network of configuration T or R whose every tensor matters, filters lopsided."""
    own = {"kernel": 3, "radial": False} if kind == "T" else {"kernel": 1, "radial": True}
    sizes = {"z_dim": 12, "w_dim": 10, "mapping_width": 10, "embed_width": 10}
    wanted = {"resolution": 32, "channels": (6, 5, 5, 4, 4, 3), **own, **sizes, **changes}
    config = Config(**wanted)
    torch.manual_seed(seed)
    network = Network(config)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("bias", "w_avg")):
            tensor += 0.3 * torch.randn(tensor.shape) / (config.mapping_rate if "fc" in name else 1)
        elif name.endswith("_filter"):
            tensor *= 0.5 + torch.rand(tensor.shape)
        elif name.endswith("magnitude_ema"):
            tensor += torch.rand(())
    state["synthesis.input.affine.bias"][0] += 1
    last = f"L{len(config.channels) - 1}_{config.resolution}_{config.channels[-1]}"
    state[f"synthesis.{last}.weight"] *= 8
    network.load_state_dict(state)
    return network.eval()


def fourier(config: Config, state: dict[str, Array], w: Array) -> Array:
    """Section 3.2: waves turned by the unit vector and moved by the vector that w gives."""
    affine = state["synthesis.input.affine.weight"] @ w / len(w) ** 0.5
    affine = affine + state["synthesis.input.affine.bias"]
    cos, sin, right, down = affine / np.hypot(*affine[:2])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    move = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])
    whole = turn @ move @ state["synthesis.input.transform"]
    band = config.bands[0]
    waves = []
    for freq, phase in zip(
        state["synthesis.input.freqs"], state["synthesis.input.phases"], strict=True
    ):
        phase = phase + freq @ whole[:2, 2]
        freq = freq @ whole[:2, :2]
        out = np.linalg.norm(freq) - band.cutoff
        kept = np.clip(1 - out / (band.rate / 2 - band.cutoff), 0, 1)
        at = (np.arange(band.size) + 0.5 - band.size / 2) / band.rate
        waves.append(kept * np.sin(2 * np.pi * (freq[0] * at + freq[1] * at[:, None] + phase)))
    weight = state["synthesis.input.weight"] / len(waves) ** 0.5
    return np.einsum("oc,chw->ohw", weight, np.stack(waves))


def spread(row: Array, factor: int, low: int, high: int) -> Array:
    """Zeros behind each sample, then at both ends; negative counts cut."""
    out = np.zeros(len(row) * factor)
    out[::factor] = row
    out = np.concatenate([np.zeros(max(low, 0)), out, np.zeros(max(high, 0))])
    return out[max(-low, 0) : len(out) - max(-high, 0)]


def on_both_axes(image: Array, change: object) -> Array:
    rows = np.stack([change(row) for row in image])  # type: ignore[operator]
    return np.stack([change(row) for row in rows.T]).T  # type: ignore[operator]


def layer(config: Config, state: dict[str, Array], number: int, x: Array, w: Array) -> Array:
    before, band = config.bands[max(number - 1, 0)], config.bands[number]
    last = number == len(config.channels) - 1
    name = f"synthesis.L{number}_{band.size}_{config.channels[number]}"
    weight = state[f"{name}.weight"]
    style = state[f"{name}.affine.weight"] @ w / len(w) ** 0.5 + state[f"{name}.affine.bias"]
    if last:
        weight = weight * style[:, None, None] / weight[0].size ** 0.5
    else:
        weight = weight / np.sqrt(np.square(weight).mean(axis=(1, 2, 3), keepdims=True))
        weight = weight * (style / np.sqrt(np.square(style).mean()))[:, None, None]
        weight /= np.sqrt(np.square(weight).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    weight = weight / np.sqrt(state[f"{name}.magnitude_ema"])
    kernel = weight.shape[-1]
    x = np.stack(
        [
            sum(convolve2d(one, part[::-1, ::-1]) for one, part in zip(x, row, strict=True)) + bias
            for row, bias in zip(weight, state[f"{name}.bias"], strict=True)
        ]
    )
    between = max(before.rate, band.rate) * (1 if last else config.upsampling)
    up, down = between // before.rate, between // band.rate
    one = np.ones(1)
    rising, falling = (state.get(f"{name}.{kind}_filter", one) for kind in ("up", "down"))
    missing = (band.size - 1) * down + 1 - (before.size + kernel - 1) * up
    missing += len(rising) + len(falling) - 2
    low = (missing + up) // 2

    def raised(row: Array) -> Array:
        return np.convolve(spread(row, up, low, missing - low), rising * up, "valid")

    def lowered(row: Array) -> Array:
        return np.convolve(row, falling, "valid")[::down]

    x = np.stack([on_both_axes(channel, raised) for channel in x])
    if not last:
        x = np.where(x > 0, x, 0.2 * x) * 2**0.5
    if config.conv_clamp is not None:
        x = x.clip(-config.conv_clamp, config.conv_clamp)
    if falling.ndim == 2:
        return np.stack([convolve2d(c, falling, "valid")[::down, ::down] for c in x])
    return np.stack([on_both_axes(channel, lowered) for channel in x])


def reference_images(network: Network, z: Array, c: Array | None = None) -> Array:
    """Images of codes of z, shape (n, 3, size, size)."""
    config = network.config
    tensors = {name: tensor.double() for name, tensor in network.state_dict().items()}
    classes = None if c is None else torch.from_numpy(c).double()
    codes = map_codes(config, tensors, torch.from_numpy(z).double(), classes).numpy()  # type: ignore[arg-type]
    state = {name: tensor.numpy() for name, tensor in tensors.items()}
    images = []
    for w in codes:
        x = fourier(config, state, w)
        for number in range(len(config.channels)):
            x = layer(config, state, number, x, w)
        images.append(x * config.output_scale)
    return np.stack(images)

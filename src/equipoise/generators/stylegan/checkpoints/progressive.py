"""PGGAN and StyleGAN 1 of genforce and interfacegan.

Both projects scale weights by sqrt(2 / inputs) when they run, and by sqrt(1 / inputs) for colours
and styles; here this is applied to the weights. Only the last block's colours are used, since the
other ones serve growing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from equipoise.generators.stylegan.checkpoints.filters import take_filters
from equipoise.generators.stylegan.common import GAIN
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import ProgressiveConfig as Config
from equipoise.runtimes.pickles.networks import FoundNetwork

State = Mapping[str, torch.Tensor]

_GROWN = "the file does not say final_tanh and use_wscale: assumed are the project's defaults, {}"
_PGGAN = _GROWN.format("False and True")
_FUSED = ", nor fused_scale: assumed is False"
_STYLED = _GROWN.format("False and True") + (
    ", and a learning rate multiplier of 0.01 in the mapping network"
)
_AUTO = ", nor fused_scale: assumed is auto, which fuses from 128 pixels on"
_FUSED_FROM = 128
"""Size from which genforce fuses doubling and convolution by default, which flips the kernel."""


@dataclass(frozen=True)
class _Names:
    """The names that a project gives to the parts of a layer of StyleGAN 1."""

    const: str
    weight: str
    dense_weight: str
    dense_bias: str
    colours: str
    rest: str
    style_weight: str
    style_bias: str


_GENFORCE = _Names(
    const="const",
    weight="weight",
    dense_weight="weight",
    dense_bias="bias",
    colours="weight",
    rest="",
    style_weight="style.weight",
    style_bias="style.bias",
)
_INTERFACEGAN = _Names(
    const="first_layer",
    weight="conv.weight",
    dense_weight="linear.weight",
    dense_bias="wscale.bias",
    colours="conv.weight",
    rest="epilogue.",
    style_weight="style_mod.dense.linear.weight",
    style_bias="style_mod.dense.wscale.bias",
)


def read_genforce_stylegan1(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes and weights of genforce's StyleGAN 1.

    Raises
    ------
    KeyError, IndexError, ValueError
        When the state has another layout.
    FileFormatError
        When a tensor is none.
    """
    return _stylegan1(found, where, _GENFORCE, _STYLED + _AUTO)


def read_interfacegan_stylegan1(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes and weights of interfacegan's StyleGAN 1; errors as of genforce's."""
    return _stylegan1(found, where, _INTERFACEGAN, _STYLED)


def _stylegan1(found: FoundNetwork, where: str, names: _Names, note: str) -> LoadedCheckpoint:
    theirs = take_filters(found.state(where), "kernel", (1, 2, 1), 1)
    _check_grown(theirs, "synthesis.lod")
    if "mapping.label_weight" in theirs:
        raise ValueError("classes, which are not supported in a StyleGAN 1")
    blocks = _count(theirs, rf"synthesis\.output\d+\.{re.escape(names.colours)}")
    depth = _count(theirs, rf"mapping\.dense\d+\.{re.escape(names.dense_weight)}")
    if not blocks or not depth:
        raise ValueError("no layers of mapping, or no colours")
    sizes = [4 * 2**i for i in range(blocks)]
    state: dict[str, torch.Tensor] = {
        "synthesis.b4.const": theirs[f"synthesis.layer0.{names.const}"][0]
    }
    for layer in range(2 * blocks):
        size, second = sizes[layer // 2], layer % 2
        name, ours = f"synthesis.layer{layer}", f"synthesis.b{size}"
        if layer:
            state[f"{ours}.conv{second}.weight"] = _kernel(theirs, name, names, size)
        rest, epilogue = f"{name}.{names.rest}", f"{ours}.epilogue{second}"
        style = theirs[rest + names.style_bias].clone()
        style[: len(style) // 2] += 1
        state |= {
            f"{epilogue}.affine.weight": theirs[rest + names.style_weight],
            f"{epilogue}.affine.bias": style,
            f"{epilogue}.bias": theirs[f"{rest}bias"],
            f"{epilogue}.noise_strength": theirs[f"{rest}apply_noise.weight"],
        }
        if f"{rest}apply_noise.noise" in theirs:
            state[f"{epilogue}.noise_const"] = theirs[f"{rest}apply_noise.noise"][0, 0]
    last = f"synthesis.output{blocks - 1}"
    colours = theirs[f"{last}.{names.colours}"]
    state["synthesis.torgb.weight"] = colours / colours.shape[1] ** 0.5
    state["synthesis.torgb.bias"] = theirs[f"{last}.bias"]
    for i in range(depth):
        dense = f"mapping.dense{i}."
        state[f"mapping.fc{i}.weight"] = theirs[dense + names.dense_weight]
        # Our gain follows the bias, theirs does not.
        state[f"mapping.fc{i}.bias"] = theirs[dense + names.dense_bias] / GAIN
    if "truncation.w_avg" in theirs:
        state["mapping.w_avg"] = theirs["truncation.w_avg"]
    config = Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        image_channels=len(colours),
        z_dim=state["mapping.fc0.weight"].shape[1],
        w_dim=len(state[f"mapping.fc{depth - 1}.weight"]),
        mapping_layers=depth,
        mapping_width=len(state["mapping.fc0.weight"]),
    )
    return LoadedCheckpoint(config, state, (note,))


def _kernel(theirs: State, name: str, names: _Names, size: int) -> torch.Tensor:
    """Return the kernel of a layer, scaled, as a convolution of repeated pixels.

    A layer that fuses both is a transposed convolution with the sums of shifted kernels. It equals
    a convolution of repeated pixels by the flipped kernel.
    """
    up = int(name.rpartition("layer")[2]) % 2 == 0
    if f"{name}.{names.weight}" in theirs:
        weight = theirs[f"{name}.{names.weight}"]
        fused = up and size >= _FUSED_FROM and names is _GENFORCE
    else:
        weight, fused = theirs[f"{name}.weight"].permute(3, 2, 0, 1), True
    return _scaled(weight.flip(2, 3) if fused else weight)


def _scaled(weight: torch.Tensor) -> torch.Tensor:
    return weight * float(GAIN / weight[0].numel() ** 0.5)


def _check_grown(theirs: State, name: str) -> None:
    if name in theirs and float(theirs[name]) != 0:
        raise ValueError(f"{name} {float(theirs[name]):g}: the network was not grown to its end")


def _count(theirs: State, pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in theirs)


_LAYER = re.compile(r"layer(\d+)\.(conv\.)?weight")
_COLOURS = re.compile(r"output_?(\d+)(x\d+)?\.(conv\.)?weight")


def read_pggan(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes and weights of a PGGAN; errors as of a StyleGAN 1.

    The layers of genforce are "layer0.weight", those of interfacegan "layer0.conv.weight", or
    "layer1.conv.weight" in its older code. Its fused ones are "layer2.weight".
    """
    theirs = found.state(where)
    _check_grown(theirs, "lod")
    layers, colours = _numbered(theirs, _LAYER), _numbered(theirs, _COLOURS)
    if len(layers) % 2 or not layers or not colours:
        raise ValueError(f"{len(layers)} layers and {len(colours)} colours, not 2 for each block")
    last = colours[-1]
    convs = last.endswith(".conv.weight")
    sizes = [4 * 2**i for i in range(len(layers) // 2)]
    state = {}
    for number, name in enumerate(layers):
        ours = f"synthesis.b{sizes[number // 2]}.conv{number % 2}"
        fused = convs and not name.endswith(".conv.weight")
        weight = theirs[name].permute(3, 2, 0, 1).flip(2, 3) if fused else theirs[name]
        state[f"{ours}.weight"] = _scaled(weight)
        state[f"{ours}.bias"] = _bias(theirs, name)
    state["synthesis.torgb.weight"] = theirs[last] / theirs[last].shape[1] ** 0.5
    state["synthesis.torgb.bias"] = _bias(theirs, last)
    dim = state["synthesis.b4.conv0.weight"].shape[1]
    # There is no mean of codes to truncate to, and truncation is refused.
    state["mapping.w_avg"] = torch.zeros(dim)
    config = Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        image_channels=len(theirs[last]),
        z_dim=dim,
        w_dim=dim,
        mapping_layers=0,
    )
    return LoadedCheckpoint(config, state, (_PGGAN if convs else _PGGAN + _FUSED,))


def _numbered(theirs: State, pattern: re.Pattern[str]) -> list[str]:
    """Return the names that match a pattern, by the number in them."""
    found = [(int(match[1]), name) for name in theirs if (match := pattern.fullmatch(name))]
    return [name for _, name in sorted(found)]


def _bias(theirs: State, name: str) -> torch.Tensor:
    layer = name.partition(".")[0]
    return theirs.get(f"{layer}.wscale.bias", theirs.get(f"{layer}.bias", torch.empty(0)))

"""Checkpoints of rosinality/stylegan2-pytorch: "g_ema", and "latent_avg" beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from equipoise.generators.stylegan.checkpoints.filters import take_filters
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.runtimes.pickles.networks import FoundNetwork
from equipoise.runtimes.pickles.tensors import tensor_of

_ASSUMED = (
    "the file does not say the learning rate multiplier of the mapping network (lr_mlp): assumed "
    "is the project's default, 0.01"
)


def read_rosinality(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes, and the weights under the names of `Network`.

    Their convolutions scale weights by 1 / sqrt(inputs * 9) before demodulation; ours do not, so
    the weights are multiplied by the factor. Files of training have no "latent_avg", and files of
    code before 2020-01-15 no noise.

    Raises
    ------
    KeyError, IndexError, ValueError
        When the state has another layout.
    FileFormatError
        When a tensor is none.
    """
    theirs = take_filters(found.state(where), "kernel", (1, 3, 3, 1), 4)
    depth = sum(re.fullmatch(r"style\.\d+\.weight", name) is not None for name in theirs)
    blocks = 1 + sum(re.fullmatch(r"to_rgbs\.\d+\.bias", name) is not None for name in theirs)
    sizes = [4 * 2**i for i in range(blocks)]
    names = {"b4.conv1": ("conv1", "noises.noise_0")}
    names |= {
        f"b{size}.conv{c}": (f"convs.{2 * i + c}", f"noises.noise_{2 * i + c + 1}")
        for i, size in enumerate(sizes[1:])
        for c in (0, 1)
    }
    state = {"synthesis.b4.const": theirs["input.input"][0]}
    for ours, (conv, noise) in names.items():
        weight = theirs[f"{conv}.conv.weight"][0]
        state |= {
            f"synthesis.{ours}.weight": weight / (weight.shape[1] * 9) ** 0.5,
            f"synthesis.{ours}.bias": theirs[f"{conv}.activate.bias"],
            f"synthesis.{ours}.noise_strength": theirs[f"{conv}.noise.weight"][0],
        }
        if noise in theirs:
            state[f"synthesis.{ours}.noise_const"] = theirs[noise][0, 0]
        state |= _affine(theirs, conv, ours)
    for i, size in enumerate(sizes):
        to_rgb, ours = ("to_rgb1" if i == 0 else f"to_rgbs.{i - 1}"), f"b{size}.torgb"
        state[f"synthesis.{ours}.weight"] = theirs[f"{to_rgb}.conv.weight"][0]
        state[f"synthesis.{ours}.bias"] = theirs[f"{to_rgb}.bias"].flatten()
        state |= _affine(theirs, to_rgb, ours)
    for i in range(depth):
        state |= {
            f"mapping.fc{i}.{kind}": theirs[f"style.{i + 1}.{kind}"] for kind in ("weight", "bias")
        }
    width = len(theirs[f"style.{depth}.weight"])
    if found.beside.get("latent_avg") is not None:
        state["mapping.w_avg"] = tensor_of(found.beside["latent_avg"], where).flatten()
    config = Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        z_dim=theirs["style.1.weight"].shape[1],
        w_dim=width,
        mapping_layers=depth,
        mapping_width=width,
        image_channels=len(state["synthesis.b4.torgb.weight"]),
    )
    return LoadedCheckpoint(config, state, (_ASSUMED,))


def _affine(theirs: Mapping[str, torch.Tensor], layer: str, ours: str) -> dict[str, torch.Tensor]:
    return {
        f"synthesis.{ours}.affine.{kind}": theirs[f"{layer}.conv.modulation.{kind}"]
        for kind in ("weight", "bias")
    }

"""Checkpoints of genforce: "generator_smooth" or "generator", of the skip architecture.

The layout is that of the code released with arXiv 2012.04842.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config


def translate_genforce(theirs: Mapping[str, torch.Tensor]) -> LoadedCheckpoint:
    """Return the sizes, and the weights under the names of `Network`.

    Their convolutions scale weights by 1 / sqrt(inputs * 9) before demodulation, flip the kernels
    of layers that double the size, and add 1 to the biases of styles. Here this is applied to the
    weights.

    Raises
    ------
    KeyError, IndexError, ValueError
        When the state has another layout.
    """
    if "mapping.label_weight" in theirs:
        raise ValueError("classes, whose embedding is scaled differently")
    depth = sum(re.fullmatch(r"mapping\.dense\d+\.weight", name) is not None for name in theirs)
    blocks = sum(re.fullmatch(r"synthesis\.output\d+\.bias", name) is not None for name in theirs)
    sizes = [4 * 2**i for i in range(blocks)]
    state = {"synthesis.b4.const": theirs["synthesis.early_layer.const"][0]}
    for layer in range(2 * blocks - 1):
        name = f"synthesis.layer{layer}"
        up = layer % 2 == 1
        ours = f"synthesis.b{sizes[(layer + 1) // 2]}.conv{0 if up else 1}"
        weight = theirs[f"{name}.weight"]
        state |= {
            f"{ours}.weight": (weight.flip(2, 3) if up else weight) / (weight.shape[1] * 9) ** 0.5,
            f"{ours}.bias": theirs[f"{name}.bias"],
            f"{ours}.noise_strength": theirs[f"{name}.noise_strength"],
            f"{ours}.noise_const": theirs[f"{name}.noise"][0, 0],
            f"{ours}.affine.weight": theirs[f"{name}.style.weight"],
            f"{ours}.affine.bias": theirs[f"{name}.style.bias"] + 1,
        }
    for i, size in enumerate(sizes):
        name, ours = f"synthesis.output{i}", f"synthesis.b{size}.torgb"
        state |= {
            f"{ours}.weight": theirs[f"{name}.weight"],
            f"{ours}.bias": theirs[f"{name}.bias"],
            f"{ours}.affine.weight": theirs[f"{name}.style.weight"],
            f"{ours}.affine.bias": theirs[f"{name}.style.bias"] + 1,
        }
    for i in range(depth):
        state |= {
            f"mapping.fc{i}.{kind}": theirs[f"mapping.dense{i}.{kind}"]
            for kind in ("weight", "bias")
        }
    state["mapping.w_avg"] = theirs["truncation.w_avg"]
    config = Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        z_dim=theirs["mapping.dense0.weight"].shape[1],
        w_dim=len(theirs[f"mapping.dense{depth - 1}.weight"]),
        mapping_layers=depth,
        mapping_width=len(theirs["mapping.dense0.weight"]),
    )
    return LoadedCheckpoint(config, state)

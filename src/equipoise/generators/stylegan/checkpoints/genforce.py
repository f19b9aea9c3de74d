"""StyleGAN2 of genforce, of the skip architecture.

The layout is that of the code released with arXiv 2012.04842.
"""

from __future__ import annotations

import re

from equipoise.generators.stylegan.checkpoints.filters import take_filters
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.runtimes.pickles.networks import FoundNetwork

_ASSUMED = (
    "the file does not say final_tanh, use_wscale and the learning rate multiplier of the mapping "
    "network: assumed are the project's defaults, False, True and 0.01"
)


def read_genforce(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes, and the weights under the names of `Network`.

    Their convolutions scale weights by 1 / sqrt(inputs * 9) before demodulation, flip the kernels
    of layers that double the size, and add 1 to the biases of styles. Here this is applied to the
    weights.

    Raises
    ------
    KeyError, IndexError, ValueError
        When the state has another layout.
    FileFormatError
        When a tensor is none.
    """
    theirs = take_filters(found.state(where), "kernel", (1, 3, 3, 1), 4)
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
            f"{ours}.affine.weight": theirs[f"{name}.style.weight"],
            f"{ours}.affine.bias": theirs[f"{name}.style.bias"] + 1,
        }
        if f"{name}.noise" in theirs:
            state[f"{ours}.noise_const"] = theirs[f"{name}.noise"][0, 0]
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
    if "truncation.w_avg" in theirs:
        state["mapping.w_avg"] = theirs["truncation.w_avg"]
    config = Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        z_dim=theirs["mapping.dense0.weight"].shape[1],
        w_dim=len(theirs[f"mapping.dense{depth - 1}.weight"]),
        mapping_layers=depth,
        mapping_width=len(theirs["mapping.dense0.weight"]),
        image_channels=len(state["synthesis.b4.torgb.weight"]),
    )
    return LoadedCheckpoint(config, state, (_ASSUMED,))

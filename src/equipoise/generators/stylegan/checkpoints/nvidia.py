"""StyleGAN2 and 3 of NVIDIA's repositories stylegan2-ada-pytorch and stylegan3, and of StudioGAN.

The sizes follow from the shapes of the weights and the attributes of the modules. A bare state dict
has no attributes: what they would say is assumed, and noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from equipoise.generators.stylegan.checkpoints.filters import take_filters
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.runtimes.pickles.networks import FoundNetwork, items_of
from equipoise.runtimes.pickles.reader import shown

Attributes = Mapping[str, Mapping[Any, Any]]
"""Each module's attributes, by its dotted name; none for a state dict."""

State = Mapping[str, torch.Tensor]

_BARE = (
    "the file holds weights alone: assumed are a learning rate multiplier of 0.01 in the mapping "
    "network, leaky ReLU, and a clamp of 256, as NVIDIA's training sets them"
)
_RATE, _CLAMP = 0.01, 256.0
_ACTIVATIONS = {"fc": "lrelu", "conv": "lrelu"}
"""Activation of modules by the beginning of their names; others are linear."""


def read_stylegan2(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes and weights of a StyleGAN2.

    Raises
    ------
    KeyError, ValueError, TypeError, IndexError
        When the network is of another kind.
    FileFormatError
        When a tensor is none.
    """
    state = take_filters(found.state(where), "resample_filter", (1, 3, 3, 1), 1)
    _check_activations(found.modules)
    return LoadedCheckpoint(config_of(found.modules, state), state, _notes(found))


def read_stylegan3(found: FoundNetwork, where: str) -> LoadedCheckpoint:
    """Return the sizes and weights of a StyleGAN3; errors as of `read_stylegan2`."""
    state = found.state(where)
    _check_activations({k: m for k, m in found.modules.items() if k.startswith("mapping.")})
    return LoadedCheckpoint(alias_free_config_of(found.modules, state), state, _notes(found))


def _notes(found: FoundNetwork) -> tuple[str, ...]:
    return () if found.modules else (_BARE,)


def _check_activations(modules: Attributes) -> None:
    for name, module in modules.items():
        own = name.rpartition(".")[2].rstrip("0123456789")
        wanted = _ACTIVATIONS.get(own, "linear")
        # The affine maps and colours of some versions carry no activation.
        if module.get("activation", wanted) != wanted:
            raise ValueError(
                f"{name} with activation {shown(module['activation'])}, not {wanted!r}"
            )


_KNOWN = {
    *("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_layers"),
    *("num_critical", "first_cutoff", "first_stopband", "last_stopband_rel", "margin_size"),
    *("output_scale", "num_fp16_res", "conv_kernel", "filter_size", "lrelu_upsampling"),
    *("use_radial_filters", "conv_clamp", "magnitude_ema_beta"),
}
"""Arguments of StyleGAN3's synthesis. Those that are not read here follow from the weights."""


def config_of(modules: Attributes, state: State) -> Config:
    """Return the sizes of a StyleGAN2.

    Raises
    ------
    KeyError, ValueError, TypeError, IndexError
        When the network is of another kind.
    """
    sizes = [4]
    while f"synthesis.b{2 * sizes[-1]}.conv1.weight" in state:
        sizes.append(2 * sizes[-1])
    last = f"synthesis.b{sizes[-1]}"
    return Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        architecture=modules[last]["architecture"] if modules else _architecture(state, last),
        noise="synthesis.b4.conv1.noise_strength" in state,
        conv_clamp=_clamp(modules, "synthesis.b4.conv1"),
        image_channels=len(state[f"{last}.torgb.weight"]),
        **_mapping(modules, state),
    )


def alias_free_config_of(modules: Attributes, state: State) -> AliasFreeConfig:
    """Return the sizes of a StyleGAN3.

    Raises
    ------
    KeyError, ValueError, TypeError, IndexError
        When the network is of another kind.
    """
    names = {
        int(name.removeprefix("synthesis.L").partition("_")[0]): name.rpartition(".")[0]
        for name in state
        if name.startswith("synthesis.L") and name.endswith(".weight") and name.count(".") == 2
    }
    layers = [names[number] for number in range(len(names))]
    synthesis = modules["synthesis"] if modules else _usual(state, layers)
    given = items_of(synthesis.get("_init_kwargs", {}))
    if given is None:
        raise ValueError("arguments that are no mapping")
    if unknown := sorted(map(str, given.keys() - _KNOWN)):
        raise ValueError(f"an unknown argument, {unknown[0][:80]}")
    bands = ("first_cutoff", "first_stopband", "last_stopband_rel")
    taps = {"filter_size": "filter_size", "lrelu_upsampling": "upsampling"}
    options: dict[str, Any] = {name: float(given[name]) for name in bands if name in given}
    options |= {ours: int(given[name]) for name, ours in taps.items() if name in given}
    for name in layers:
        if not float(state[f"{name}.magnitude_ema"]) > 0:
            raise ValueError(f"{name}.magnitude_ema that is not above 0")
    down = [state[f"{name}.down_filter"] for name in layers if f"{name}.down_filter" in state]
    config = AliasFreeConfig(
        resolution=synthesis["img_resolution"],
        channels=tuple(len(state[f"{name}.weight"]) for name in layers),
        kernel=state[f"{layers[0]}.weight"].shape[-1],
        radial=any(one.ndim == 2 for one in down),
        critical=synthesis["num_critical"],
        margin=synthesis["margin_size"],
        output_scale=float(synthesis["output_scale"]),
        conv_clamp=_clamp(modules, layers[0]),
        **options,
        **_mapping(modules, state),
    )
    ours = [
        f"synthesis.L{i}_{band.size}_{width}"
        for i, (band, width) in enumerate(zip(config.bands, config.channels, strict=True))
    ]
    if ours != layers:
        # Bands that were set by other arguments would change the sizes of the layers.
        raise ValueError(f"layers {layers[:3]} where the paper's bands give {ours[:3]}")
    return config


def _architecture(state: State, last: str) -> str:
    """Return the architecture that the names of a state dict show."""
    if "synthesis.b4.torgb.weight" in state:
        return "skip"
    return "resnet" if f"{last}.skip.weight" in state else "orig"


def _usual(state: State, layers: list[str]) -> dict[str, Any]:
    """Return the attributes of a StyleGAN3's synthesis, as NVIDIA's training sets them."""
    return {
        "img_resolution": int(layers[-1].split("_")[1]),
        "num_critical": 2,
        "margin_size": 10,
        "output_scale": 0.25,
    }


def _mapping(modules: Attributes, state: State) -> dict[str, Any]:
    rate = modules["mapping.fc0"]["bias_gain"] if modules else _RATE
    if type(rate) not in (float, int):
        raise ValueError(f"bias_gain of type {type(rate).__name__}")
    embedding = state.get("mapping.embed.weight", torch.empty(0, 0))
    depth = sum(name.startswith("mapping.fc") and name.endswith(".weight") for name in state)
    return {
        "z_dim": state["mapping.fc0.weight"].shape[1] - embedding.shape[0],
        "w_dim": len(state[f"mapping.fc{depth - 1}.weight"]),
        "c_dim": embedding.shape[1],
        "mapping_layers": depth,
        "mapping_width": len(state["mapping.fc0.weight"]) if depth > 1 else 1,
        "embed_width": max(embedding.shape[0], 1),
        "mapping_rate": float(rate),
    }


def _clamp(modules: Attributes, layer: str) -> float | None:
    clamp = modules[layer]["conv_clamp"] if modules else _CLAMP
    return None if clamp is None else float(clamp)

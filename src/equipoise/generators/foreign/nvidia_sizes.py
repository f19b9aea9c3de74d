"""The sizes of NVIDIA's networks, from the shapes of weights and the modules' attributes.

Functions here raise KeyError, ValueError, TypeError or IndexError where a network is of another
kind; the reader tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from equipoise.generators.foreign.pickle_reader import Call
from equipoise.generators.stylegan2.config import Config
from equipoise.generators.stylegan3.config import Config as AliasFreeConfig

Attributes = Mapping[str, Mapping[Any, Any]]
"""Each module's attributes, by its dotted name."""

State = Mapping[str, torch.Tensor]


_KNOWN = {
    *("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_layers"),
    *("num_critical", "first_cutoff", "first_stopband", "last_stopband_rel", "margin_size"),
    *("output_scale", "num_fp16_res", "conv_kernel", "filter_size", "lrelu_upsampling"),
    *("use_radial_filters", "conv_clamp", "magnitude_ema_beta"),
}
"""Arguments of StyleGAN3's synthesis, of which shapes and attributes tell those not read here."""


def config_of(modules: Attributes, state: State) -> Config:
    """Return the sizes of a StyleGAN2."""
    sizes = [4]
    while f"synthesis.b{2 * sizes[-1]}" in modules:
        sizes.append(2 * sizes[-1])
    conv = modules["synthesis.b4.conv1"]
    if conv["activation"] != "lrelu":
        raise ValueError("an activation of another kind")
    return Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        architecture=modules[f"synthesis.b{sizes[-1]}"]["architecture"],
        noise="synthesis.b4.conv1.noise_const" in state,
        conv_clamp=_clamp(conv),
        **_mapping(modules, state),
    )


def alias_free_config_of(modules: Attributes, state: State) -> AliasFreeConfig:
    """Return the sizes of a StyleGAN3."""
    synthesis = modules["synthesis"]
    names = {
        int(name.removeprefix("synthesis.L").partition("_")[0]): name
        for name in modules
        if name.startswith("synthesis.L") and name.count(".") == 1
    }
    layers = [names[number] for number in range(len(names))]
    given = synthesis.get("_init_kwargs", {})
    given = given.items if isinstance(given, Call) else given
    if unknown := sorted(map(str, given.keys() - _KNOWN)):
        raise ValueError(f"an argument that is not known, {unknown[0][:80]}")
    bands = ("first_cutoff", "first_stopband", "last_stopband_rel")
    taps = {"filter_size": "filter_size", "lrelu_upsampling": "upsampling"}
    told: dict[str, Any] = {name: float(given[name]) for name in bands if name in given}
    told |= {ours: int(given[name]) for name, ours in taps.items() if name in given}
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
        conv_clamp=_clamp(modules[layers[0]]),
        **told,
        **_mapping(modules, state),
    )
    ours = [
        f"synthesis.L{i}_{band.size}_{width}"
        for i, (band, width) in enumerate(zip(config.bands, config.channels, strict=True))
    ]
    if ours != layers:
        # Bands that were set by hand and are not told would change the layers' sizes.
        raise ValueError(f"layers {layers[:3]} where the paper's bands give {ours[:3]}")
    return config


def _mapping(modules: Attributes, state: State) -> dict[str, Any]:
    rate = modules["mapping.fc0"]["bias_gain"]
    if type(rate) is not float:
        raise ValueError("a learning rate of another kind")
    embedding = state.get("mapping.embed.weight", torch.empty(0, 0))
    depth = sum(name.startswith("mapping.fc") for name in modules)
    return {
        "z_dim": state["mapping.fc0.weight"].shape[1] - embedding.shape[0],
        "w_dim": len(state[f"mapping.fc{depth - 1}.weight"]),
        "c_dim": embedding.shape[1],
        "mapping_layers": depth,
        "mapping_width": len(state["mapping.fc0.weight"]) if depth > 1 else 1,
        "embed_width": max(embedding.shape[0], 1),
        "mapping_rate": rate,
    }


def _clamp(conv: Mapping[Any, Any]) -> float | None:
    clamp = conv["conv_clamp"]
    return None if clamp is None else float(clamp)

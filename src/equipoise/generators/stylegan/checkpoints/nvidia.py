"""Pickles of NVIDIA's repositories stylegan2-ada-pytorch and stylegan3.

Their networks are pickled by `torch_utils.persistence`: each module is a call that would run source
code stored in the file. Here the call is read as data and its code is ignored. The sizes follow
from the shapes of the weights and the attributes of the modules.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import InputError
from equipoise.generators.stylegan.network import AnyConfig, LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.generators.stylegan.stylegan2 import blur_filter
from equipoise.runtimes.pickles.reader import Call, Name, bad_checkpoint, read_pickle
from equipoise.runtimes.pickles.tensors import TENSOR_NAMES, read_legacy, tensor_of
from equipoise.runtimes.tensor_views import bounded

_PERSISTENT = Name("torch_utils.persistence", "_reconstruct_persistent_obj")
_STORAGE = Name("torch.storage", "_load_from_bytes")
_MAPPINGS = {Name("collections", "OrderedDict"), Name("dnnlib.util", "EasyDict")}
_ALLOWED = (
    TENSOR_NAMES
    | _MAPPINGS
    | {_PERSISTENT, _STORAGE, Name("builtins", "set"), Name("numpy", "dtype")}
    | {Name("numpy", "ndarray")}
    | {
        Name(module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("scalar", "_reconstruct")
    }
)
# Limits on a file's modules, chosen by hand: published networks have under 100, nested 4 deep.
_MOST_MODULES = 2000
_DEEPEST = 6


def read_nvidia(path: Path) -> LoadedCheckpoint:
    """Read the averaged generator, "G_ema", of a pickle.

    Raises
    ------
    FileFormatError
        As `equipoise.generators.stylegan.checkpoints.read_foreign`.
    """
    where = f"generator file {path}"
    content = read_pickle(io.BytesIO(path.read_bytes()), _ALLOWED, where)
    generator = _items(content, where).get("G_ema")
    modules = dict(_modules(generator, "", where))
    first: dict[str, Callable[[Attributes, State], AnyConfig]] = {
        "synthesis.b4": config_of,
        "synthesis.input": alias_free_config_of,
    }
    read = next((read for name, read in first.items() if name in modules), None)
    if read is None or "mapping.fc0" not in modules:
        kinds = {name: m["class_name"] for name, m in modules.items() if name.count(".") < 2}
        rule = "must hold a StyleGAN2, with blocks b4, b8, ..., or a StyleGAN3, with an input"
        raise bad_checkpoint(where, rule, _shown(kinds))
    try:
        state = dict(bounded(_tensors(modules, where)))
        return LoadedCheckpoint(
            read({name: m["state"] for name, m in modules.items()}, state), state
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise bad_checkpoint(where, "must hold a supported StyleGAN", reason[:200]) from error


def _modules(value: Any, name: str, where: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield each module's class name and state, by its dotted name."""
    waiting, seen = [(name, value)], 0
    while waiting:
        name, value = waiting.pop()
        if not isinstance(value, Call) or value.name != _PERSISTENT or len(value.arguments) != 1:
            raise bad_checkpoint(
                where, f"must hold a persistent module at G_ema {name!r}", "another"
            )
        seen += 1
        # Many modules may refer to one, so a small file could describe an endless number.
        if seen > _MOST_MODULES or name.count(".") > _DEEPEST:
            raise bad_checkpoint(where, f"must hold at most {_MOST_MODULES} modules", "more")
        record = _items(value.arguments[0], where)
        state = _items(record.get("state"), where)
        known = record.get("class_name")
        class_name = known[:80] if isinstance(known, str) else type(known).__name__
        yield name, {"class_name": class_name, "state": state}
        prefix = f"{name}." if name else ""
        for child, module in _items(state.get("_modules"), where).items():
            waiting.append((f"{prefix}{child}", module))


def _tensors(
    modules: Mapping[str, Mapping[Any, Any]], where: str
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield parameters and buffers by their dotted names, after checking the blur filters."""
    for name, module in modules.items():
        for kind in ("_parameters", "_buffers"):
            for own, value in _items(module["state"].get(kind), where).items():
                if value is None:
                    continue
                tensor = tensor_of(_with_storage(value, where), where)
                if own != "resample_filter":
                    yield f"{name}.{own}", tensor
                elif not torch.allclose(tensor.float() * 4, blur_filter(1)[0, 0]):
                    raise bad_checkpoint(
                        f"{name}.{own} in {where}", "must be [1, 3, 3, 1]", "another"
                    )


def _with_storage(value: Any, where: str) -> Any:
    """Return a tensor's call with its storage, which is pickled as bytes."""
    if isinstance(value, Call) and value.name.name == "_rebuild_parameter" and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, Call) or not value.arguments:
        raise bad_checkpoint(where, "must hold tensors", type(value).__name__)
    stored = value.arguments[0]
    if (
        not isinstance(stored, Call)
        or stored.name != _STORAGE
        or [type(argument) for argument in stored.arguments] != [bytes]
    ):
        raise bad_checkpoint(
            where, "must hold tensors with storages of their own", "another storage"
        )
    storage = read_legacy(io.BytesIO(stored.arguments[0]), TENSOR_NAMES, where)
    return Call(value.name, (storage, *value.arguments[1:]), None, {})


def _items(value: Any, where: str) -> Mapping[Any, Any]:
    if isinstance(value, Call) and value.name in _MAPPINGS and not value.arguments:
        return value.items
    if not isinstance(value, dict):
        raise bad_checkpoint(
            where, "must hold a mapping where modules have one", type(value).__name__
        )
    return value


def _shown(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{name or 'G_ema'}: {kind}" for name, kind in sorted(kinds.items()))[:300]


Attributes = Mapping[str, Mapping[Any, Any]]
"""Each module's attributes, by its dotted name."""

State = Mapping[str, torch.Tensor]


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
    while f"synthesis.b{2 * sizes[-1]}" in modules:
        sizes.append(2 * sizes[-1])
    conv = modules["synthesis.b4.conv1"]
    if conv["activation"] != "lrelu":
        raise ValueError("an activation other than lrelu")
    return Config(
        resolution=sizes[-1],
        channels=tuple(len(state[f"synthesis.b{size}.conv1.weight"]) for size in sizes),
        architecture=modules[f"synthesis.b{sizes[-1]}"]["architecture"],
        noise="synthesis.b4.conv1.noise_const" in state,
        conv_clamp=_clamp(conv),
        **_mapping(modules, state),
    )


def alias_free_config_of(modules: Attributes, state: State) -> AliasFreeConfig:
    """Return the sizes of a StyleGAN3.

    Raises
    ------
    KeyError, ValueError, TypeError, IndexError
        When the network is of another kind.
    """
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
        conv_clamp=_clamp(modules[layers[0]]),
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


def _mapping(modules: Attributes, state: State) -> dict[str, Any]:
    rate = modules["mapping.fc0"]["bias_gain"]
    if type(rate) is not float:
        raise ValueError(f"bias_gain of type {type(rate).__name__}")
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

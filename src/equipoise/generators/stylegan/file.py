"""Files of StyleGANs, and networks built from sizes and a state.

Our own format is safetensors, with the sizes as JSON in the metadata. Files of other projects are
read by `equipoise.generators.stylegan.checkpoints`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import atomic_path, parse_json
from equipoise.generators.stylegan.checkpoints import read_foreign
from equipoise.generators.stylegan.network import AnyConfig, Network
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig

LARGEST_FILE = 4 * 2**30
"""Largest size of a file in bytes; chosen by hand."""

_KEYS = {"equipoise.stylegan2": Config, "equipoise.stylegan3": AliasFreeConfig}
"""Keys in the metadata of a file, each with the class of the sizes stored under it."""

_REMEDY = "Convert the checkpoint again with `equipoise convert`."


def save_network(network: Network, path: Path) -> None:
    """Write the network to a safetensors file, whole or not at all.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    tensors = {name: t.cpu().contiguous() for name, t in network.state_dict().items()}
    key = next(key for key, kind in _KEYS.items() if isinstance(network.config, kind))
    with atomic_path(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, {key: json.dumps(asdict(network.config))}))


def load_network(path: Path) -> Network:
    """Read a network from a file of `save_network` or of another project; no code of it is run.

    Raises
    ------
    FileFormatError
        When the file is missing, damaged, too large, or holds something else.
    """
    where = f"generator file {path}"
    if not path.is_file():
        raise FileFormatError(where, "must exist", "no such file", "Correct the path.")
    if path.stat().st_size > LARGEST_FILE:
        raise FileFormatError(where, "must be under 4 GiB", path.stat().st_size, _REMEDY)
    if path.suffix != ".safetensors":
        checkpoint = read_foreign(path)
        return build(checkpoint.config, checkpoint.state, where)
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        key = next((key for key in _KEYS if key in metadata), "")
        values = parse_json(metadata[key])
        config = _KEYS[key](**{**values, "channels": tuple(values["channels"])})
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise FileFormatError(
            where, "must be a StyleGAN that `equipoise convert` wrote", reason, _REMEDY
        ) from error
    return build(config, state, where)


def build(config: AnyConfig, state: Mapping[str, torch.Tensor], where: str) -> Network:
    """Return the network of some sizes and weights, in evaluation mode and without gradients.

    Parameters
    ----------
    config : AnyConfig
    state : mapping of str to torch.Tensor
        Weights by the network's names; converted to float32.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When a tensor is missing, left over, of another shape, or not finite.
    """
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in Network(config).state_dict().items()}
    remedy = "Give the file of a StyleGAN generator, or download it again."
    missing, over = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or over:
        raise FileFormatError(
            where,
            "must hold exactly the weights of its sizes",
            f"missing {missing[:3] or 'none'}, left over {over[:3] or 'none'}",
            remedy,
        )
    for name, shape in wanted.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape or not bool(torch.isfinite(tensor).all()):
            raise FileFormatError(
                f"{name} in {where}",
                f"must be finite and of shape {shape}",
                f"shape {tuple(tensor.shape)}",
                remedy,
            )
    network = Network(config)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.eval().requires_grad_(False)

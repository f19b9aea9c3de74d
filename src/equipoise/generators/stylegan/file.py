"""StyleGANs in a file of ours: safetensors, with the sizes as JSON beside the weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch

from equipoise.errors import FileFormatError, InputError
from equipoise.files import atomic_path
from equipoise.generators.foreign import read_foreign
from equipoise.generators.stylegan.build import build
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan2.config import Config
from equipoise.generators.stylegan3.config import Config as AliasFreeConfig

LARGEST_FILE = 4 * 2**30

_KEYS = {"equipoise.stylegan2": Config, "equipoise.stylegan3": AliasFreeConfig}
"""Keys of the metadata, and what the sizes under them are."""

_REMEDY = "Make it again with `equipoise convert`."


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
        safetensors.torch.save_file(tensors, part, {key: json.dumps(asdict(network.config))})


def load_network(path: Path) -> Network:
    """Read a network from a file of ours, or of another project; no code from it is run.

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
        found = read_foreign(path)
        return build(found.config, found.state, where)
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        key = next((key for key in _KEYS if key in metadata), "")
        values = json.loads(metadata[key])
        config = _KEYS[key](**{**values, "channels": tuple(values["channels"])})
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise FileFormatError(
            where, "must be a StyleGAN that `equipoise convert` wrote", reason, _REMEDY
        ) from error
    return build(config, state, where)

"""StyleGAN2 in a file of ours: safetensors, with the sizes as JSON beside the weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch

from equipoise.errors import FileFormatError, InputError
from equipoise.files import atomic_path
from equipoise.generators.foreign import read_foreign
from equipoise.generators.stylegan2.config import Config
from equipoise.generators.stylegan2.network import Network, build

LARGEST_FILE = 4 * 2**30

_KEY = "equipoise.stylegan2"
_REMEDY = "Make it again with `equipoise convert`."


def save_network(network: Network, path: Path) -> None:
    """Write the network to a safetensors file, whole or not at all.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    tensors = {name: t.cpu().contiguous() for name, t in network.state_dict().items()}
    with atomic_path(path) as part:
        safetensors.torch.save_file(tensors, part, {_KEY: json.dumps(asdict(network.config))})


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
            text = (stored.metadata() or {}).get(_KEY, "")
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        values = json.loads(text)
        config = Config(**{**values, "channels": tuple(values["channels"])})
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise FileFormatError(
            where, "must be a StyleGAN2 that `equipoise convert` wrote", reason, _REMEDY
        ) from error
    return build(config, state, where)

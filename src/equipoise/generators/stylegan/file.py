"""Files of StyleGANs, and networks built from what they hold.

Our own format is safetensors, with the sizes as JSON in the metadata. Files of other projects are
read by `equipoise.generators.stylegan.checkpoints`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.files import atomic_path, parse_json
from equipoise.core.parallel import one_thread
from equipoise.core.reasons import reason_of
from equipoise.generators.base import StandardNormal
from equipoise.generators.stylegan.checkpoints import read_foreign, translated
from equipoise.generators.stylegan.checkpoints.others import refusal
from equipoise.generators.stylegan.network import LoadedCheckpoint, Network
from equipoise.generators.stylegan.sizes import ProgressiveConfig
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.runtimes.pickles.content import LARGEST_FILE
from equipoise.runtimes.pickles.networks import FoundNetwork

_KEYS = {
    "equipoise.progressive": ProgressiveConfig,
    "equipoise.stylegan2": Config,
    "equipoise.stylegan3": AliasFreeConfig,
}
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
    # One key of metadata alone: safetensors writes several in random order.
    text = json.dumps({**asdict(network.config), "notes": network.notes})
    with atomic_path(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, {key: text}))


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
    with path.open("rb") as file:
        head = file.read(9)
    # The first bytes decide, whatever the name ends in: those of safetensors are the length of its
    # header and JSON, those of archives and pickles are theirs.
    named = path.suffix.lower() == ".safetensors" and head[:1] not in (b"P", b"\x80")
    if head[8:] == b"{" or named:
        return build(_read_safetensors(path, where), where)
    return build(read_foreign(path), where)


def _read_safetensors(path: Path, where: str) -> LoadedCheckpoint:
    """Read a file of `save_network`, or a state dict of another project."""
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        key = next((key for key in _KEYS if key in metadata), None)
        if key is not None:
            values = parse_json(metadata[key])
            notes = tuple(map(str, values.pop("notes", ())))
            config = _KEYS[key](**{**values, "channels": tuple(values["channels"])})
            return LoadedCheckpoint(config, state, notes)
    except (
        *(safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError),
    ) as error:
        raise FileFormatError(
            where, "must be a StyleGAN that `equipoise convert` wrote", reason_of(error), _REMEDY
        ) from error
    network = FoundNetwork("", state)
    checkpoint = translated(network, where)
    if checkpoint is None:
        raise refusal({}, [network], where)
    return checkpoint


MEAN_CODES = 4096
"""Codes of z of which a missing mean of w is computed, as many as rosinality's code draws."""

_SEED = 0
"""Seed of those codes, and of missing noise."""


def build(checkpoint: LoadedCheckpoint, where: str) -> Network:
    """Return the network of a checkpoint, in evaluation mode and without gradients.

    Weights are converted to float32. Where the mean of w is missing, it is that of 4,096 fixed
    codes. Where all stored noise is missing, it is drawn from a fixed seed. Both are noted.

    Parameters
    ----------
    checkpoint : LoadedCheckpoint
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When a tensor is missing, left over, of another shape, or not finite.
    """
    config, state, notes = checkpoint.config, dict(checkpoint.state), list(checkpoint.notes)
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in Network(config).state_dict().items()}
    noises = [name for name in wanted if name.endswith(".noise_const")]
    if noises and not any(name in state for name in noises):
        source = torch.Generator().manual_seed(_SEED)
        state |= {name: torch.randn(wanted[name], generator=source) for name in noises}
        notes.append(
            f"the file holds no noise of its layers: noise=const is drawn by seed {_SEED}; "
            "noise=none and noise=random need none"
        )
    without_mean = "mapping.w_avg" not in state
    if without_mean:
        state["mapping.w_avg"] = torch.zeros(wanted["mapping.w_avg"])
        notes.append(
            f"the file holds no mean of w, to which truncation draws: it is that of {MEAN_CODES:,} "
            "fixed codes"
        )
    _check_state(state, wanted, where)
    network = Network(config, tuple(notes))
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    network.eval().requires_grad_(False)
    if without_mean:
        network.mapping.w_avg.copy_(_mean_of_w(network))
    return network


def _check_state(
    state: dict[str, torch.Tensor], wanted: dict[str, tuple[int, ...]], where: str
) -> None:
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


def _mean_of_w(network: Network) -> torch.Tensor:
    """Return the mean of w over fixed codes, with classes in turn."""
    config = network.config
    codes = torch.from_numpy(StandardNormal(config.z_dim).codes(_SEED, 0, MEAN_CODES))
    classes = None
    if config.c_dim:
        classes = torch.eye(config.c_dim)[torch.arange(MEAN_CODES) % config.c_dim]
    # One thread, because matrix products round by the number of threads.
    with one_thread(), torch.inference_mode():
        mean: torch.Tensor = network.mapping(codes, classes).double().mean(dim=0).float()
    return mean

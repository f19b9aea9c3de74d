"""Checkpoints of other projects, read as data: nothing in a file is imported or run.

`nvidia.py` reads pickles of NVIDIA's repositories. Other files are those of torch.save;
`rosinality.py` and `genforce.py` translate the weights of one project each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import InputError
from equipoise.generators.stylegan.checkpoints.genforce import translate_genforce
from equipoise.generators.stylegan.checkpoints.nvidia import read_nvidia
from equipoise.generators.stylegan.checkpoints.rosinality import translate_rosinality
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.runtimes.pickles.reader import Call, bad_checkpoint
from equipoise.runtimes.pickles.tensors import read_torch_file, tensor_of
from equipoise.runtimes.tensor_views import bounded

__all__ = ["LoadedCheckpoint", "read_foreign"]


def read_foreign(path: Path) -> LoadedCheckpoint:
    """Read sizes and weights of a StyleGAN: a `.pkl` as NVIDIA's, other files as torch.save's.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, refers to anything but tensors and plain values, or
        does not hold a StyleGAN.
    """
    return read_nvidia(path) if path.suffix == ".pkl" else read_checkpoint(path)


_GENFORCE = ("generator_smooth", "generator")
"""Keys of a genforce checkpoint, the averaged generator first."""


def read_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read the averaged generator of a file of torch.save.

    Raises
    ------
    FileFormatError
        As `read_foreign`.
    """
    where = f"generator file {path}"
    content = _items(read_torch_file(path), where)
    try:
        if "g_ema" in content:
            mean = content.get("latent_avg")
            return translate_rosinality(
                _state(content["g_ema"], where), None if mean is None else tensor_of(mean, where)
            )
        models = _items(content.get("models", content), where)
        for name in _GENFORCE:
            if name in models:
                return translate_genforce(_state(models[name], where))
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise bad_checkpoint(where, "must hold the layers of a StyleGAN2", reason[:200]) from error
    raise bad_checkpoint(
        where,
        f"must hold one of g_ema, {', '.join(_GENFORCE)}",
        str([key for key in content if isinstance(key, str)][:5])[:200],
    )


def _state(value: Any, where: str) -> dict[str, torch.Tensor]:
    items = _items(value, where).items()
    return dict(bounded((str(name), tensor_of(tensor, where)) for name, tensor in items))


def _items(value: Any, where: str) -> dict[Any, Any]:
    items = value.items if isinstance(value, Call) else value
    if not isinstance(items, dict):
        raise bad_checkpoint(where, "must hold a state dict", type(value).__name__)
    return items

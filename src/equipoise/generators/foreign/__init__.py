"""Generators in the files of other projects, read as data: nothing in a file is imported or run.

`pickle_reader.py` reads the pickle language, `storages.py` tensors, `torch_file.py` what torch.save
writes; `nvidia.py`, `rosinality.py` and `genforce.py` know one project's layout each.
"""

from __future__ import annotations

from pathlib import Path

from equipoise.generators.foreign.checkpoint import read_checkpoint
from equipoise.generators.foreign.found import Found
from equipoise.generators.foreign.nvidia import read_nvidia

__all__ = ["Found", "read_foreign"]


def read_foreign(path: Path) -> Found:
    """Read sizes and weights of a StyleGAN2: a `.pkl` as NVIDIA's, others as torch.save's.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, names anything but tensors and plain values, or holds
        something else than a StyleGAN2.
    """
    return read_nvidia(path) if path.suffix == ".pkl" else read_checkpoint(path)

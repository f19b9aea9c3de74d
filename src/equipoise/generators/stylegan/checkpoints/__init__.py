"""Checkpoints of other projects, read as data: nothing in a file is imported or run.

`equipoise.runtimes.pickles.networks` finds the networks in a file. `LAYOUTS` says by the names of
their tensors whose they are, and a module for each project translates sizes and weights.
`others.py` names the projects that are not read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.reasons import reason_of
from equipoise.generators.stylegan.checkpoints.genforce import read_genforce
from equipoise.generators.stylegan.checkpoints.nvidia import read_stylegan2, read_stylegan3
from equipoise.generators.stylegan.checkpoints.others import refusal
from equipoise.generators.stylegan.checkpoints.progressive import (
    read_genforce_stylegan1,
    read_interfacegan_stylegan1,
    read_pggan,
)
from equipoise.generators.stylegan.checkpoints.rosinality import read_rosinality
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.runtimes.pickles.content import read_content
from equipoise.runtimes.pickles.networks import FoundNetwork, networks_in
from equipoise.runtimes.pickles.reader import shown

__all__ = ["LoadedCheckpoint", "read_foreign", "translated"]

LAYOUTS: tuple[
    tuple[str, tuple[str, ...], Callable[[FoundNetwork, str], LoadedCheckpoint]], ...
] = (
    ("NVIDIA's StyleGAN2", ("mapping.fc0.weight", "synthesis.b4.conv1.weight"), read_stylegan2),
    ("NVIDIA's StyleGAN3", ("mapping.fc0.weight", "synthesis.input.freqs"), read_stylegan3),
    ("rosinality's StyleGAN2", ("style.1.weight", "conv1.conv.weight"), read_rosinality),
    ("genforce's StyleGAN2", ("synthesis.early_layer.const",), read_genforce),
    ("genforce's StyleGAN 1", ("synthesis.layer0.const",), read_genforce_stylegan1),
    (
        "interfacegan's StyleGAN 1",
        ("synthesis.layer0.first_layer",),
        read_interfacegan_stylegan1,
    ),
    ("a PGGAN of genforce", ("layer0.weight", "output0.weight"), read_pggan),
    ("a PGGAN of interfacegan", ("layer0.conv.weight", "output0.conv.weight"), read_pggan),
    ("a PGGAN of interfacegan", ("layer1.conv.weight", "layer1.wscale.bias"), read_pggan),
)
"""Layouts of networks: whose each is, names of its tensors, and its reader."""


def read_foreign(path: Path) -> LoadedCheckpoint:
    """Read sizes and weights of a PGGAN or StyleGAN from a pickle, or a file of torch.save.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, or does not hold such a network.
    """
    where = f"generator file {path}"
    content = read_content(path, where)
    found = list(networks_in(content, where))
    for network in found:
        checkpoint = translated(network, where)
        if checkpoint is not None:
            return checkpoint
    raise refusal(content, found, where)


def translated(network: FoundNetwork | None, where: str) -> LoadedCheckpoint | None:
    """Return the sizes and weights of a network of a known layout; None for another one.

    Raises
    ------
    FileFormatError
        When the network has the names of a layout, but not its tensors or settings.
    """
    while network is not None:
        for whose, names, read in LAYOUTS:
            if all(name in network.tensors for name in names):
                return _read(read, network, whose, where)
        network = network.without_prefix()
    return None


def _read(
    read: Callable[[FoundNetwork, str], LoadedCheckpoint],
    network: FoundNetwork,
    whose: str,
    where: str,
) -> LoadedCheckpoint:
    try:
        return read(network, where)
    except (LookupError, ValueError, TypeError, RuntimeError) as error:
        raise FileFormatError(
            where,
            f"must hold all layers and settings of {whose}",
            _reason(error),
            "Give a whole checkpoint of an unchanged network, or export it as "
            "docs/generators/torchscript.md shows.",
        ) from error


def _reason(error: Exception) -> Any:
    """Return what is wrong in words, at most 200 characters."""
    if isinstance(error, InputError):
        got = error.got if isinstance(error.got, str | tuple) else shown(error.got)
        return f"{error.argument} {got}, which {error.rule}"[:300]
    if isinstance(error, KeyError):
        return f"one without {error.args[0]}"[:200]
    if isinstance(error, IndexError):
        return "a tensor with too few dimensions"
    return reason_of(error)

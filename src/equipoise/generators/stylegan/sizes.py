"""The sizes of a mapping network, and checks that the sizes of a whole network share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.errors import InputError, check_count

REMEDY = "Give the sizes that the network was trained with."

_WIDEST = 8192
_DEEPEST = 64


@dataclass(frozen=True, kw_only=True)
class MappingSizes:
    """All that decides the shapes and the arithmetic of a mapping network, its weights apart.

    Attributes
    ----------
    z_dim, w_dim : int
        Values in a code of z, and in one of w.
    c_dim : int
        Classes; 0 for a network without.
    mapping_layers : int
        Depth of the mapping network.
    mapping_width, embed_width : int
        Values between its layers, and in the embedding of a class.
    mapping_rate : float
        Factor of its weights and biases, the paper's learning rate multiplier.

    Raises
    ------
    InputError
        When a value breaks its rule.
    """

    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    mapping_layers: int = 8
    mapping_width: int = 512
    embed_width: int = 512
    mapping_rate: float = 0.01

    def __post_init__(self) -> None:
        for name in ("z_dim", "w_dim", "mapping_width", "embed_width"):
            check_between(name, getattr(self, name), 1, _WIDEST)
        check_between("c_dim", self.c_dim, 0, _WIDEST)
        check_between("mapping_layers", self.mapping_layers, 1, _DEEPEST)
        check_positive("mapping_rate", self.mapping_rate)


def check_widths(channels: tuple[int, ...]) -> None:
    """Check that each width is a whole number from 1 to 8192.

    Raises
    ------
    InputError
        Otherwise, naming it.
    """
    for number, width in enumerate(channels):
        check_between(f"channels[{number}]", width, 1, _WIDEST)


def check_between(name: str, value: int, least: int, most: int) -> None:
    """Check that a size is a whole number from `least` to `most`.

    Raises
    ------
    InputError
        Otherwise, naming it.
    """
    if check_count(name, value, REMEDY, least=least) > most:
        raise InputError(name, f"must be at most {most}", value, REMEDY)


def check_positive(name: str, value: float | None) -> None:
    """Check that a number is finite and above 0, or None.

    Raises
    ------
    InputError
        Otherwise, naming it.
    """
    if value is not None and not 0 < value < np.inf:
        raise InputError(name, "must be above 0", value, REMEDY)

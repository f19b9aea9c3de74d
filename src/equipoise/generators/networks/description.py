"""The options of a network: code shape, output range, prior; from its address or a TOML file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.core.files import read_toml
from equipoise.core.toml_tables import Table
from equipoise.generators.priors import PRIORS

SPACES = ("z", "w", "w+")
"""Names of latent spaces."""

RANGES: dict[str, tuple[float, float]] = {
    "-1..1": (-1.0, 1.0),
    "0..1": (0.0, 1.0),
    "0..255": (0.0, 255.0),
}
"""Ranges of a network's output, lowest and highest value, by name."""

_LARGEST_CODE = 2**22
"""Limit on the values in a code, chosen by hand: as many as in a 1024x1024 map of 4 channels."""

_SHAPE = re.compile(r"[1-9][0-9]{0,6}(x[1-9][0-9]{0,6}){0,3}")
_GUIDE = "docs/generators/README.md"
_REMEDY = f"See {_GUIDE}."


@dataclass(frozen=True)
class Description:
    """The options of a network.

    Attributes
    ----------
    shape : str
        Shape of one code as the network takes it: "512", "100x1x1"; empty to find it by probing.
    range : str
        Range of its output, one of `RANGES`; empty to find it by probing.
    prior : str
        One of `PRIORS`.
    space : str
        Name of its latent space: "z", "w" or "w+".
    input : str
        ONNX: name of the input for codes; empty for the only input.
    stem : str
        The cheap first part: a tensor in the graph of an ONNX file, or a submodule of a torch
        module that takes the codes; empty for none.

    Raises
    ------
    InputError
        When a value breaks its rule.

    Examples
    --------
    >>> Description(shape="100x1x1", range="-1..1").query
    'shape=100x1x1&range=-1..1&prior=normal&space=z'
    """

    shape: str = ""
    range: str = ""
    prior: str = "normal"
    space: str = "z"
    input: str = ""
    stem: str = ""

    def __post_init__(self) -> None:
        rules = {"range": ("", *RANGES), "prior": PRIORS, "space": SPACES}
        for name, allowed in rules.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(filter(None, allowed))
                raise InputError(name, f"must be one of {listed}", getattr(self, name), _REMEDY)
        if self.shape and (
            not _SHAPE.fullmatch(self.shape) or math.prod(self.code_shape) > _LARGEST_CODE
        ):
            raise InputError(
                "shape",
                f"must be up to four sizes whose product is at most {_LARGEST_CODE:,}",
                self.shape[:80],
                "Write it as shape=512, or shape=100x1x1.",
            )

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape as a tuple."""
        return tuple(map(int, self.shape.split("x")))

    @property
    def query(self) -> str:
        """All options that are set, as those of an address."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return "&".join(f"{name}={value}" for name, value in values.items() if value)


def describe(pairs: tuple[tuple[str, str], ...], beside: Path | None = None) -> Description:
    """Return the options of an address, completed by those of a TOML file.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Options of an address; they take precedence. "settings" names a TOML file.
    beside : Path, optional
        A TOML file that is read if it exists and "settings" names none.

    Raises
    ------
    InputError
        When a key is unknown, a value breaks its rule, or the file cannot be read.

    Examples
    --------
    >>> describe((("prior", "uniform"),)).prior
    'uniform'
    """
    options = dict(pairs)
    named = options.pop("settings", None)
    path = beside if named is None else Path(named)
    if path is not None and (named or path.is_file()):
        file = Table(read_toml(path, _REMEDY, what="generator settings"), str(path), _GUIDE)
        options = {key: file.text(key) for key in file.fields()} | options
    known = [f.name for f in fields(Description)]
    for key in options:
        if key not in known:
            raise InputError(
                "option of a network", f"must be one of {', '.join(known)}", key[:80], _REMEDY
            )
    return Description(**options)

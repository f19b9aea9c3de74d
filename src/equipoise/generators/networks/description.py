"""How a network is fed and read: the options of its address, and of the TOML file beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.core.files import read_toml
from equipoise.generators.priors import PRIORS

SPACES = ("z", "w", "w+")
RANGES: dict[str, tuple[float, float]] = {
    "-1..1": (-1.0, 1.0),
    "0..1": (0.0, 1.0),
    "0..255": (0.0, 255.0),
}
"""Ranges of a network's output, by name."""

_LARGEST_CODE = 2**22
_SHAPE = re.compile(r"[1-9][0-9]{0,6}(x[1-9][0-9]{0,6}){0,3}")
_REMEDY = "See docs/generators/README.md."


@dataclass(frozen=True)
class Description:
    """How a network is fed and read.

    Attributes
    ----------
    shape : str
        Of one code as the network takes it: "512", "100x1x1"; empty when it is to be found.
    range : str
        Of its output: one of `RANGES`; empty when it is to be found.
    prior : str
        One of `PRIORS`.
    space : str
        What its codes are called: "z", "w" or "w+".
    input : str
        ONNX: the input that takes codes; empty for the only one.
    stem : str
        The cheap first part: of ONNX and torch.export a tensor within the graph, of TorchScript and
        modules a submodule that takes the codes; empty for none.

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
        """The shape as numbers."""
        return tuple(map(int, self.shape.split("x")))

    @property
    def query(self) -> str:
        """All that is set, as options of an address."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return "&".join(f"{name}={value}" for name, value in values.items() if value)


def describe(pairs: tuple[tuple[str, str], ...], beside: Path | None = None) -> Description:
    """Return the description that options give; what they leave out is taken from a TOML file.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Options of an address. "settings" names another TOML file.
    beside : Path, optional
        A TOML file that is read when it is there and no other is named.

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
    stored = _stored(path) if path is not None and (named or path.is_file()) else {}
    found = {**stored, **options}
    known = [f.name for f in fields(Description)]
    for key in found:
        if key not in known:
            raise InputError(
                "option of a network", f"must be one of {', '.join(known)}", key[:80], _REMEDY
            )
    return Description(**found)


def _stored(path: Path) -> Mapping[str, str]:
    what = "generator settings"
    stored = read_toml(path, _REMEDY, what=what)
    for key, value in stored.items():
        if type(value) is not str:
            where = f"{key} of {what} {path}"
            raise InputError(where, "must be text", repr(value)[:80], _REMEDY)
    return stored

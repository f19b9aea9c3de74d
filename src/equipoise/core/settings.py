"""All settings of a run: flat, typed, checked, read from TOML, saved with the run."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.errors import InputError, check_count
from equipoise.core.seeds import check_seed

MULTILEVEL = ("ordered", "one-vs-rest")
"""How attributes of more than two levels get their hyperplanes."""

METHODS = ("tilt", "mixture", "shift")
"""Methods of `balance`: our tilted sampling, a mixture fitted to its verified draws, and the recipe
of arXiv 2012.04842."""

_LARGEST_FILE = 2**20


@dataclass(frozen=True)
class Settings:
    """Settings of `balance`; each is a flag of the command line and a key of a TOML file.

    Attributes
    ----------
    generator : str
        Name of the generator.
    attributes : tuple of str
        What to balance.
    classifiers : tuple of str
        Your own, as `open_classifier` names them; the pinned ones answer on what is left.
    target : str
        The wanted mix, in the grammar of `equipoise.core.targets`.
    n : int
        Codes to label, those of directed rounds included.
    seed : int
        Names every draw of the run.
    method : str
        One of `METHODS`.
    beside : tuple of str
        Further methods to set beside it in the report. The shift learns from the labels of the
        prior, the tilt from the directed ones as well.
    directed : float
        Tilt: share of the labels for draws directed at cells that lack them; the rest is for the
        prior's own codes.
    beta : float or None
        Tilt: sharpness; None chooses it on held-out codes.
    calibrate_n : int
        Tilt: draws by which the weights over requested cells are calibrated.
    mixture_n : int
        Mixture: verified draws that it is fitted to.
    measure_n : int
        Draws by which the result is measured.
    distance : float
        Shift: signed distance from the hyperplanes, in standard deviations of the prior.
    keep_norm : bool
        Shift: keep each code's norm.
    per_cell : int
        Shift: codes for each cell.
    components : int or "bic"
        Mixture: components of each cell, or chosen by the Bayesian information criterion.
    fraction : float or None
        Directions: share of most confident codes; None chooses by held-out accuracy.
    multilevel : str
        Directions: "ordered" or "one-vs-rest".
    abstain_below : float
        Answers less sure than this count as unknown.
    device : str
        Where the generator computes.
    batch_size : int or None
        Codes in one call; None takes the generator's own.
    workers : int or None
        Threads; None takes all cores.

    Raises
    ------
    InputError
        When a setting breaks its rule.
    """

    generator: str = "digiface-dcgan"
    attributes: tuple[str, ...] = ("smiling", "skin_tone")
    classifiers: tuple[str, ...] = ()
    target: str = "uniform"
    n: int = 10_000
    seed: int = 0
    method: str = "tilt"
    beside: tuple[str, ...] = ()
    directed: float = 0.5
    beta: float | None = None
    calibrate_n: int = 8_000
    mixture_n: int = 6_000
    measure_n: int = 6_000
    distance: float = 3.0
    keep_norm: bool = False
    per_cell: int = 5_000
    components: int | str = "bic"
    fraction: float | None = None
    multilevel: str = "ordered"
    abstain_below: float = 0.0
    device: str = "cpu"
    batch_size: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        check_count("n", self.n, "Pass --n 10000.")
        check_count("measure_n", self.measure_n, "Pass --measure-n 6000.")
        check_count("per_cell", self.per_cell, "Pass --per-cell 5000.", least=2)
        if self.components != "bic":
            remedy = "Pass --components 1, or bic."
            number = self.components if isinstance(self.components, int) else 0
            check_count("components", number, remedy)
        for name in ("batch_size", "workers"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), "Leave it out.")
        if not 0 < self.distance < np.inf:
            raise InputError("distance", "must be above 0", self.distance, "Pass --distance 3.")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise InputError("fraction", "must be in (0, 1]", self.fraction, "Leave it out.")
        if self.multilevel not in MULTILEVEL:
            allowed = f"must be one of {', '.join(MULTILEVEL)}"
            raise InputError("multilevel", allowed, self.multilevel, "Leave it out.")
        if not 0 <= self.abstain_below <= 1:
            raise InputError("abstain_below", "must be in [0, 1]", self.abstain_below, "Pass 0.")
        check_seed(self.seed)
        check_count("calibrate_n", self.calibrate_n, "Pass --calibrate-n 8000.")
        check_count("mixture_n", self.mixture_n, "Pass --mixture-n 6000.")
        if not 0 <= self.directed <= 0.9:
            raise InputError("directed", "must be in [0, 0.9]", self.directed, "Leave it out.")
        if self.beta is not None and not 0 < self.beta < np.inf:
            raise InputError("beta", "must be above 0", self.beta, "Leave it out.")
        for method in (self.method, *self.beside):
            if method not in METHODS:
                allowed = f"must be one of {', '.join(METHODS)}"
                raise InputError("method", allowed, method, "Correct the name.")

    @property
    def directed_n(self) -> int:
        """Labels for directed rounds; none where no method would use them."""
        tilts = not {"tilt", "mixture"}.isdisjoint((self.method, *self.beside))
        return int(self.n * self.directed) if tilts else 0

    @property
    def prior_n(self) -> int:
        """Labels for codes of the prior."""
        return self.n - self.directed_n

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def make_settings(given: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Return settings from a TOML file, flags that are not None overriding it.

    Raises
    ------
    InputError
        When the file cannot be read, or a key or a value breaks its rule.

    Examples
    --------
    >>> make_settings({"n": 500, "seed": None}).n
    500
    """
    values = {} if file is None else _read_toml(file)
    values.update({name: value for name, value in given.items() if value is not None})
    return from_dict(values)


def from_dict(values: Mapping[str, Any]) -> Settings:
    """Return settings from plain values, as `Settings.to_dict` gives them.

    Raises
    ------
    InputError
        When a key is unknown or a value is of a wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    checked = {}
    for name, value in values.items():
        if name not in fields:
            raise InputError(
                "setting", f"must be one of {', '.join(fields)}", name, "Correct the name."
            )
        checked[name] = _typed(name, value, str(fields[name].type))
    return Settings(**checked)


def _typed(name: str, value: Any, wanted: str) -> Any:
    """Return the value in the field's type, or refuse it."""
    if wanted.startswith("tuple"):
        # A classifier's name may hold commas.
        separator = "\n" if name == "classifiers" else ","
        items = value.split(separator) if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(item, str) for item in items):
            return tuple(item.strip() for item in items if item.strip())
    elif name == "components" and str(value).isascii() and str(value).isdecimal():
        return int(str(value)[:9])
    else:
        kinds: dict[str, Any] = {
            "str": str,
            "int": int,
            "float": (int, float),
            "bool": bool,
            "None": type(None),
        }
        options = [part.strip() for part in wanted.split("|")]
        if any(isinstance(value, kinds[o]) for o in options) and (
            not isinstance(value, bool) or "bool" in options
        ):
            return value
    raise InputError(f"setting {name}", f"must be of type {wanted}", value, "Correct its value.")


def _read_toml(path: Path) -> dict[str, Any]:
    remedy = "Write one `name = value` a line, as in settings.toml of a run folder."
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"settings file {path}", "must be under 1 MiB", "a larger one", remedy)
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"settings file {path}", "must be readable TOML", str(error), remedy
        ) from error

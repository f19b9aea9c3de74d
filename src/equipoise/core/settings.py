"""All settings of a run: flat, typed, checked, read from TOML, saved with the run.

Each is declared once, by `setting`: its default, what it is, its rule, what to do where the rule is
broken, and how its option of the command line is written.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from pathlib import Path
from typing import Any, get_args, get_type_hints

from equipoise.core.errors import InputError
from equipoise.core.files import read_toml

MULTILEVEL = ("ordered", "one-vs-rest")
"""How attributes of more than two levels get their hyperplanes."""

METHODS = ("tilt", "mixture", "shift-calibrated", "shift")
"""Methods of `balance`: our tilted sampling, a mixture fitted to its verified draws, and the recipe
of arXiv 2012.04842, with calibrated request rates and as published."""


@dataclass(frozen=True, kw_only=True)
class SettingInfo:
    """What is declared of one setting.

    Attributes
    ----------
    help : str
        What it is, as full sentences.
    least, above, most, below : float or None
        Bounds of a number.
    choices : tuple of str
        The words that are allowed, where only some are.
    words : tuple of str
        Words that are allowed beside numbers.
    remedy : str
        What to do where the rule is broken, as a sentence.
    flag : str
        Its option of the command line, where that is not made from the name.
    several : bool
        Whether the option may be repeated; else a list is written with commas.
    shown : str or None
        How the help of the command line shows the default; None shows the value.
    """

    help: str
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    remedy: str = "Leave it out."
    flag: str = ""
    several: bool = False
    shown: str | None = None

    def rule(self, *, whole: bool) -> str:
        """Return the rule of a value, worded to follow the setting's name.

        Examples
        --------
        >>> SettingInfo(help="", above=0, most=1).rule(whole=False)
        'must be in (0, 1]'
        """
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        beside = "".join(f", or {word}" for word in self.words)
        low = self.least if self.above is None else self.above
        high = self.most if self.below is None else self.below
        start = "must be a whole number" if whole else "must be"
        if high is None:
            return f"{start} {'of at least' if self.above is None else 'above'} {low}{beside}"
        left, right = "[("[self.above is not None], "])"[self.below is not None]
        shown = "2**63" if high == 2**63 else high
        return f"{start} in {left}{low}, {shown}{right}{beside}"

    def holds(self, value: Any, *, whole: bool) -> bool:
        """Return whether a value keeps the rule."""
        if self.choices:
            return value in self.choices
        if self.least is self.above is None or value in self.words:
            return True
        if isinstance(value, str):
            return False
        if isinstance(value, bool) or (whole and not isinstance(value, Integral)):
            return False
        return bool(
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )


def setting(default: Any, help: str, **declared: Any) -> Any:
    """Declare a setting by its default and the fields of `SettingInfo`."""
    return dataclasses.field(
        default=default, metadata={"setting": SettingInfo(help=help, **declared)}
    )


def _documented(cls: type) -> type:
    """Append each setting's type and help to the docstring, as numpydoc's attributes."""
    lines = [
        f"{field.name} : {field.type}\n        {setting_info(field).help}"
        for field in dataclasses.fields(cls)
    ]
    cls.__doc__ = f"{cls.__doc__}\n    Attributes\n    ----------\n    " + "\n    ".join(lines)
    return cls


def setting_info(field: dataclasses.Field[Any]) -> SettingInfo:
    """Return what is declared of a field of `Settings`."""
    info: SettingInfo = field.metadata["setting"]
    return info


@_documented
@dataclass(frozen=True)
class Settings:
    """Settings of `balance`; each is a flag of the command line and a key of a TOML file.

    Raises
    ------
    InputError
        When a setting breaks its rule.
    """

    generator: str = setting(
        "digiface-dcgan",
        "digiface-dcgan, toy, pggan:FILE, stylegan1:FILE (also 2 and 3), dcgan:FILE, "
        "torchscript:FILE, FILE.onnx, "
        "diffusers:FOLDER, diffusers-text:FOLDER?prompts=FILE, or module:object.",
    )
    attributes: tuple[str, ...] = setting(
        ("smiling", "skin_tone"),
        "Comma-separated: gender, age, smiling, expression, skin_tone, skin_tone_six, "
        "skin_lightness, skin_hue.",
    )
    classifiers: tuple[str, ...] = setting(
        (),
        "Your own, used before the pinned ones: a .toml file, hf:FOLDER, clip:..., "
        "module:object; may be repeated (docs/classifiers.md).",
        flag="--classifier",
        several=True,
        shown="",
    )
    target: str = setting(
        "uniform",
        "'uniform', a .csv or .json table, 'marginals: smiling=yes:3,no:1', or "
        "'conditional: gender | age'.",
    )
    n: int = setting(10_000, "Images to classify, all in all.", least=1, remedy="Pass --n 10000.")
    seed: int = setting(
        0, "Seed of every draw of the run.", least=0, below=2**63, remedy="Pass --seed 0."
    )
    method: str = setting(
        "tilt",
        "tilt (ours), mixture (of tilted draws), shift-calibrated or shift (arXiv 2012.04842).",
        choices=METHODS,
        remedy="Correct the name.",
        shown="",
    )
    beside: tuple[str, ...] = setting(
        (),
        "Further methods to set beside it in the report.",
        choices=METHODS,
        remedy="Correct the name.",
        shown="",
    )
    directed: float = setting(
        0.6,
        "Share of the classified images that are draws of the method: directed at rare cells by "
        "the tilt; for the calibration of others.",
        least=0,
        most=0.9,
    )
    faithful: float | str = setting(
        0.9,
        "Tilt: verified draws. A number: faithfulness to aim at, without weights; exact: with "
        "weights that make averages those of the generator's own images; typical: clear members.",
        least=0.5,
        most=0.99,
        words=("exact", "typical"),
        remedy="Pass --faithful 0.9.",
    )
    mixture_n: int = setting(
        6_000, "Mixture: verified draws to fit it to.", least=1, remedy="Pass --mixture-n 6000."
    )
    measure_n: int | None = setting(
        None,
        "Draws to measure the result with.",
        least=1,
        remedy="Pass --measure-n 9000.",
        shown="what finds a perfect sampler in 9 of 10 cases, at most 20000",
    )
    distance: float = setting(
        3.0,
        "Shift: outer levels from their boundary, in deviations of the prior.",
        above=0,
        remedy="Pass --distance 3.",
    )
    keep_norm: bool = setting(
        False, "Shift: keep each code's norm.", flag="--keep-norm/--free-norm", shown=""
    )
    per_cell: int = setting(
        5_000, "Shift: codes for each cell.", least=2, remedy="Pass --per-cell 5000."
    )
    components: int | str = setting(
        "bic",
        "Mixture: a number, or bic.",
        least=1,
        words=("bic",),
        remedy="Pass --components 1, or bic.",
    )
    fraction: float | None = setting(
        None,
        "Directions: share of most confident codes.",
        above=0,
        most=1,
        shown="best held-out accuracy",
    )
    multilevel: str = setting("ordered", "Directions: ordered or one-vs-rest.", choices=MULTILEVEL)
    abstain_below: float = setting(
        0.0,
        "Predictions with a lower confidence count as unknown.",
        least=0,
        most=1,
        remedy="Pass 0.",
        shown="0",
    )
    device: str = setting("cpu", "cpu, cuda, mps.")
    mixed_devices: bool = setting(
        False,
        "Go on with what another type of device computed; shards name theirs.",
        flag="--mixed-devices",
        shown="",
    )
    batch_size: int | None = setting(None, "Codes in one call.", least=1)
    workers: int | None = setting(None, "Threads.", least=1, shown="all cores")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            info, kinds = setting_info(field), setting_kinds()[field.name]
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, str) and kinds == (tuple,):
                names = tuple(filter(None, value.replace(" ", "").split(",")))
                remedy = f"Write {field.name}={names}."
                raise InputError(field.name, "must be several names, not one text", value, remedy)
            whole = int in kinds
            for item in value if isinstance(value, tuple) else (value,):
                if not info.holds(item, whole=whole):
                    rule = info.rule(whole=whole)
                    name = "method" if field.name == "beside" else field.name
                    raise InputError(name, rule, item, info.remedy)

    @property
    def directed_n(self) -> int:
        """Classified images that are draws of a method; none where no method would use them."""
        others = {"tilt", "mixture", "shift-calibrated"}.intersection((self.method, *self.beside))
        return int(self.n * self.directed) if others else 0

    @property
    def calibration_n(self) -> int:
        """Draws by which methods other than the tilt are calibrated, at least 1."""
        return max(self.directed_n, 1)

    @property
    def prior_n(self) -> int:
        """Labels for codes of the prior."""
        return self.n - self.directed_n

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@cache
def setting_kinds() -> dict[str, tuple[type, ...]]:
    """Return the types that each setting may have, by name; a tuple of texts is `tuple`."""
    return {
        name: (tuple,) if get_args(kind)[1:] == (...,) else get_args(kind) or (kind,)
        for name, kind in get_type_hints(Settings).items()
    }


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
    remedy = "Write one `name = value` a line, as in settings.toml of a run folder."
    values = {} if file is None else read_toml(file, remedy, what="settings file")
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
        checked[name] = _typed(fields[name], value)
    return Settings(**checked)


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return the value in the field's type, or refuse it."""
    kinds = setting_kinds()[field.name]
    if tuple in kinds:
        # What is given by several options may itself hold commas, as a classifier's name.
        separator = "\n" if setting_info(field).several else ","
        items = value.split(separator) if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(item, str) for item in items):
            return tuple(item.strip() for item in items if item.strip())
    elif {int, str} <= {*kinds} and str(value).isascii() and str(value).isdecimal():
        return int(str(value)[:9])
    elif {float, str} <= {*kinds} and isinstance(value, str):
        return _number(value)
    elif isinstance(value, (*kinds, int) if float in kinds else kinds) and (
        not isinstance(value, bool) or bool in kinds
    ):
        return value
    raise InputError(
        f"setting {field.name}", f"must be of type {field.type}", value, "Correct its value."
    )


def _number(text: str) -> float | str:
    """Return the number that a text holds, or the text."""
    try:
        return float(text)
    except ValueError:
        return text

"""How a StyleGAN2 is fed: the space of its codes, truncation, noise and classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from equipoise.core.errors import InputError
from equipoise.generators.stylegan.network import AnyConfig

SPACES = ("z", "w", "w+")

_NOISES = {
    "const": "the stored noise",
    "none": "no noise",
    "random": "noise of each code's own, drawn from the code",
}


@dataclass(frozen=True)
class Options:
    """How a StyleGAN2 is fed.

    Attributes
    ----------
    space : str
        "z"; "w", the mapped code; or "w+", one code of w for each style, side by side.
    truncation : float
        psi in [0, 1] of w_avg + psi * (w - w_avg), applied when images are made: codes are never
        truncated themselves. 1 leaves codes alone; less makes rare attributes rarer.
    cutoff : int or None
        Styles that are truncated, the coarsest first; None for all.
    noise : str
        "const" (the stored noise), "none", or "random": drawn for each code by its own values, so
        that a code still names one image.
    classes : tuple of (int, float), or None
        Classes with their shares, of a network that has classes. One class is fixed; of several,
        each code draws its own. None draws all alike.

    Raises
    ------
    InputError
        When a value breaks its rule.
    """

    space: str = "z"
    truncation: float = 1.0
    cutoff: int | None = None
    noise: str = "const"
    classes: tuple[tuple[int, float], ...] | None = None

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise InputError(
                "space", f"must be one of {', '.join(SPACES)}", self.space, "Pass space=w."
            )
        if not 0 <= self.truncation <= 1:
            raise InputError(
                "truncation", "must be in [0, 1]", self.truncation, "Pass truncation=1."
            )
        if self.cutoff is not None and self.cutoff < 0:
            raise InputError("cutoff", "must be at least 0", self.cutoff, "Leave it out.")
        if self.noise not in _NOISES:
            raise InputError(
                "noise",
                f"must be one of {', '.join(_NOISES)}",
                self.noise,
                "Pass noise=const.",
            )

    def shares(self, config: AnyConfig) -> tuple[float, ...]:
        """Return the share of each class of a network; empty for one without classes.

        Raises
        ------
        InputError
            When the classes are not those of the network.
        """
        if not config.c_dim:
            if self.classes is not None:
                raise InputError(
                    "class",
                    "must be left out for a network without classes",
                    str([number for number, _ in self.classes]),
                    "Leave it out.",
                )
            return ()
        if self.classes is None:
            return (1 / config.c_dim,) * config.c_dim
        numbers = [number for number, _ in self.classes]
        weights = np.array([share for _, share in self.classes], np.float64)
        inside = all(0 <= number < config.c_dim for number in numbers)
        if (
            not (numbers and inside and len(set(numbers)) == len(numbers))
            or not (np.isfinite(weights) & (weights > 0)).all()
        ):
            raise InputError(
                "class",
                f"must name classes of 0 to {config.c_dim - 1} once each, with shares above 0",
                str(self.classes),
                "Pass class=3, or class=0:1,3:2.",
            )
        shares = np.zeros(config.c_dim)
        shares[numbers] = weights / weights.sum()
        return tuple(shares.tolist())


def options_of(pairs: tuple[tuple[str, str], ...]) -> Options:
    """Read the options of an address.

    Raises
    ------
    InputError
        When a key is unknown or a value breaks its rule.

    Examples
    --------
    >>> options_of((("space", "w"), ("class", "3"))).classes
    ((3, 1.0),)
    """
    readers: dict[str, Callable[[str], object]] = {
        "space": str,
        "truncation": float,
        "cutoff": int,
        "noise": str,
        "class": _classes,
    }
    values: dict[str, object] = {}
    for key, text in pairs:
        if key not in readers:
            raise InputError(
                "option of a StyleGAN2",
                f"must be one of {', '.join(readers)}",
                key,
                "Correct the name.",
            )
        try:
            values[key] = readers[key](text)
        except ValueError as error:
            raise InputError(
                key, "must be a number, or class:share,class:share", text, "Correct it."
            ) from error
    values["classes"] = values.pop("class", None)
    names = {field.name for field in fields(Options)}
    return Options(**{name: values[name] for name in names & values.keys()})  # type: ignore[arg-type]


def _classes(text: str) -> tuple[tuple[int, float], ...]:
    parts = [part.partition(":") for part in text.split(",")]
    return tuple((int(number), float(share) if colon else 1.0) for number, colon, share in parts)

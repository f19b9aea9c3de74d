"""How a diffusion model is run: the options of its address."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.errors import InputError

_MOST_STEPS = 1000
_KEYS = ("steps", "stem", "revision")


@dataclass(frozen=True)
class Options:
    """How a diffusion model is run.

    Attributes
    ----------
    steps : int
        Of denoising, each a pass of the network; 1 for consistency models.
    stem : int
        The first steps, after which the guess at the image is the stem; 0 for none.

    Raises
    ------
    InputError
        When a number breaks its rule.
    """

    steps: int = 20
    stem: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= _MOST_STEPS:
            raise InputError("steps", f"must be 1 to {_MOST_STEPS}", self.steps, "Pass steps=20.")
        if not 0 <= self.stem < self.steps:
            raise InputError(
                "stem", f"must be 0 to {self.steps - 1}, less than all steps", self.stem, "Pass 0."
            )


def options_of(pairs: tuple[tuple[str, str], ...], one_step: bool) -> Options:
    """Return the options that an address gives.

    Parameters
    ----------
    pairs : tuple of (str, str)
    one_step : bool
        Whether the model makes an image in one pass, so that it has no stem.

    Raises
    ------
    InputError
        When a key is unknown, or a value breaks its rule.

    Examples
    --------
    >>> options_of((("steps", "10"),), one_step=False)
    Options(steps=10, stem=2)
    """
    given = dict(pairs)
    for key in given:
        if key not in _KEYS:
            rule = f"must be one of {', '.join(_KEYS)}"
            raise InputError("option of a diffusion model", rule, key[:80], "Leave it out.")
    steps = _whole("steps", given.get("steps", "1" if one_step else "20"))
    if one_step and steps != 1:
        raise InputError("steps", "must be 1 for a consistency model", steps, "Leave it out.")
    stem = _whole("stem", given.get("stem", str(steps // 5)))
    return Options(steps, stem)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InputError(name, "must be a whole number", text[:80], f"Pass {name}=1.")
    return int(text)

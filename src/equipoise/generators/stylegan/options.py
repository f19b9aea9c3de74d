"""The options of a StyleGAN: latent space, truncation, noise and classes."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.core.errors import InputError
from equipoise.generators.address import Readers, read_options
from equipoise.generators.classes import class_shares, read_classes
from equipoise.generators.stylegan.network import AnyConfig

SPACES = ("z", "w", "w+")
"""Latent spaces: input of the mapping network, its output, and one output for each style."""

NOISES = ("const", "none", "random")
"""Noise of the layers: the stored one, none, or one drawn for each code by its own values."""


@dataclass(frozen=True)
class Options:
    """The options of a StyleGAN.

    Attributes
    ----------
    space : str
        One of `SPACES`.
    truncation : float
        psi in [0, 1] of w_avg + psi * (w - w_avg). It is applied when images are generated; codes
        themselves are not truncated. 1 is no truncation; lower values make rare attributes rarer.
    cutoff : int or None
        Number of styles that are truncated, from the coarsest on; None for all.
    noise : str
        One of `NOISES`. With "random" a code still determines its image.
    classes : tuple of (int, float), or None
        Classes with their shares, for a network with classes. A single class is fixed; of several,
        each code draws one. None gives all classes equal shares.
    contexts : str
        "classes" makes each class a context of its own; empty otherwise.

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
    contexts: str = ""

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
        if self.noise not in NOISES:
            raise InputError(
                "noise",
                f"must be one of {', '.join(NOISES)}",
                self.noise,
                "Pass noise=const.",
            )

        if self.contexts not in ("", "classes"):
            remedy = "Pass contexts=classes."
            raise InputError("contexts", "must be classes", self.contexts, remedy)

    def shares(self, config: AnyConfig) -> tuple[float, ...]:
        """Return the share of each class of a network; empty for a network without classes.

        Raises
        ------
        InputError
            When the network has no such classes.
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
        return class_shares(self.classes, config.c_dim)


def options_of(pairs: tuple[tuple[str, str], ...]) -> Options:
    """Parse the options of an address.

    Raises
    ------
    InputError
        When a key is unknown or a value breaks its rule.

    Examples
    --------
    >>> options_of((("space", "w"), ("class", "3"))).classes
    ((3, 1.0),)
    """
    readers: Readers = {
        "space": (str, "text"),
        "truncation": (float, "a number"),
        "cutoff": (int, "a whole number"),
        "noise": (str, "text"),
        "contexts": (str, "text"),
        "class": (read_classes, "a number, or class:share,class:share"),
    }
    values = read_options(pairs, readers, "a StyleGAN")
    return Options(classes=values.pop("class", None), **values)

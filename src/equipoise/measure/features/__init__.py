"""Features: images in, vectors out, between which quality is measured."""

from __future__ import annotations

import importlib

from equipoise.core.errors import InputError
from equipoise.measure.features.base import Features, read_features

__all__ = ["NAMES", "Features", "open_features", "read_features"]

NAMES = ("age", "pixels", "inception", "dinov2", "clip")
"""Features that `open_features` knows by name."""


def open_features(name: str = "age", *, device: str = "cpu") -> Features:
    """Return the features called `name`.

    Parameters
    ----------
    name : str
        One of `NAMES`, or "module:function": an importable function without arguments (a class
        will do) that returns features.
    device : str
        Where "inception", "dinov2" and "clip" compute; the others compute on the processor.

    Raises
    ------
    InputError
        When the name is unknown, its library is not installed, or the function does not return
        features.
    FetchError
        When weights cannot be had.

    Examples
    --------
    >>> open_features("pixels").dim
    48
    """
    if ":" in name:
        return _own(name)
    if name == "age":
        from equipoise.measure.features.offline import AgeFeatures

        return AgeFeatures()
    if name == "pixels":
        from equipoise.measure.features.offline import PixelFeatures

        return PixelFeatures()
    if name in NAMES:
        from equipoise.measure.features import libraries

        openers = {
            "inception": libraries.inception,
            "dinov2": libraries.dinov2,
            "clip": libraries.clip,
        }
        return openers[name](device)
    raise InputError(
        "features",
        f"must be one of {', '.join(NAMES)}, or module:function",
        name,
        "Correct the name.",
    )


def _own(name: str) -> Features:
    module, _, function = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"features {name!r}",
            "must name an importable function without arguments",
            f"{type(error).__name__}: {error}",
            "Write module:function, and put the module's folder on PYTHONPATH.",
        ) from error
    if not isinstance(made, Features):
        lacking = [m for m in ("name", "digest", "dim", "about", "read") if not hasattr(made, m)]
        raise InputError(
            f"what {name!r} returns",
            "must have name, digest, dim, about and read",
            f"{type(made).__name__} without {', '.join(lacking)}",
            "See equipoise.measure.features.base.",
        )
    return made

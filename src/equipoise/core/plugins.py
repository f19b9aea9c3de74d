"""Libraries that are an extra: had when they are needed, or said how to be had.

A user's own adapter, by `module:object`.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from equipoise.core.errors import InputError


def load_library(what: str, module: str, remedy: str) -> Any:
    """Return an optional module.

    Parameters
    ----------
    what : str
        What needs it.
    module : str
        Its dotted name.
    remedy : str
        How to have it, or to do without.

    Raises
    ------
    InputError
        When it is not installed.
    """
    try:
        return importlib.import_module(module)
    # A torchvision that was built for another torch raises RuntimeError when it is imported.
    except (ImportError, RuntimeError) as error:
        raise InputError(
            what, f"must have {module.partition('.')[0]} installed", str(error), remedy
        ) from error


Adapter = TypeVar("Adapter")


def imported(
    uri: str, kind: str, protocol: type[Adapter], also: tuple[type[Any], ...] = ()
) -> Adapter | Any:
    """Return the object that `module:object` names, or what it gives when called.

    Parameters
    ----------
    uri : str
        An importable object that follows the protocol, or a function (a class will do) without
        arguments that returns one.
    kind : str
        What errors call it: "classifier".
    protocol : type
        A protocol that is checked at run time; its module documents it.
    also : tuple of type
        Other kinds of objects that will do.

    Raises
    ------
    InputError
        When it cannot be imported, or lacks a member.
    """
    kinds = (protocol, *also)
    module, _, name = uri.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        made = found if isinstance(found, kinds) and not isinstance(found, type) else found()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{kind} {uri!r}",
            f"must name an importable {kind}, or a function without arguments",
            f"{type(error).__name__}: {error}",
            "Write module:object, and put the module's folder on PYTHONPATH.",
        ) from error
    if not isinstance(made, kinds):
        needed = [m for m in vars(protocol) if not m.startswith("_")]
        raise InputError(
            f"what {uri!r} gives",
            f"must have {', '.join(needed)}",
            f"{type(made).__name__} without {', '.join(m for m in needed if not hasattr(made, m))}",
            f"See {protocol.__module__}.",
        )
    return made

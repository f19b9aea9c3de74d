"""Imports by name: optional libraries, and adapters that users write themselves."""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from equipoise.core.errors import InputError


def install(extras: str) -> str:
    """Return the command that installs extras of the Equipoise that runs, from where it came.

    Parameters
    ----------
    extras : str
        One or more, separated by commas.

    Returns
    -------
    str
        "Run `pip install ...`", without a full stop.
    """
    origin: Any = None
    with suppress(PackageNotFoundError, ValueError):
        origin = json.loads(distribution("equipoise").read_text("direct_url.json") or "null")
    origin = origin if isinstance(origin, dict) else {}
    url, folder, commit = (
        origin.get("url") or "",
        origin.get("dir_info") or {},
        origin.get("vcs_info") or {},
    )
    if folder.get("editable"):
        return f'Run `pip install -e "{unquote(urlsplit(url).path)}[{extras}]"`'
    if commit:
        url = f"{commit.get('vcs', 'git')}+{url}@{commit.get('commit_id', 'HEAD')}"
    return f'Run `pip install "equipoise[{extras}]{f" @ {url}" if url else ""}"`'


def load_library(what: str, module: str, remedy: str) -> Any:
    """Import an optional library.

    Parameters
    ----------
    what : str
        What needs it, as errors name it.
    module : str
        Dotted name of the module.
    remedy : str
        Last sentence of the error: how to install the library, or to do without it.

    Raises
    ------
    InputError
        When it is not installed, or cannot be imported.
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
    """Import an adapter that a user wrote.

    Parameters
    ----------
    uri : str
        "module:object". The object follows the protocol, or is a class or function without
        arguments that returns such an object.
    kind : str
        What errors call it: "classifier".
    protocol : type
        A protocol that is checked at run time; its module documents it.
    also : tuple of type
        Further types that are accepted.

    Returns
    -------
    object
        An instance of `protocol`, or of a type of `also`.

    Raises
    ------
    InputError
        When it cannot be imported, or lacks a member of the protocol.
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
        needed = [m for m in vars(protocol) if not m.startswith("_") or m == "__call__"]
        raise InputError(
            f"what {uri!r} gives",
            f"must have {', '.join(needed)}",
            f"{type(made).__name__} without {', '.join(m for m in needed if not hasattr(made, m))}",
            f"See {protocol.__module__}.",
        )
    return made

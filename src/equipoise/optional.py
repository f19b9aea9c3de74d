"""Libraries that are an extra: had when they are needed, or said how to be had."""

from __future__ import annotations

import importlib
from typing import Any

from equipoise.errors import InputError


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

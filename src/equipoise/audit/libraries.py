"""The statistics that audits take from kept libraries, which are an extra."""

from __future__ import annotations

import importlib
from typing import Any

from equipoise.errors import InputError


def audit_library(module: str) -> Any:
    """Return a module of fairlearn or statsmodels.

    Raises
    ------
    InputError
        When it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            "audits",
            f"must have {module.partition('.')[0]} installed",
            str(error),
            'Run `pip install "equipoise[audit]"`.',
        ) from error

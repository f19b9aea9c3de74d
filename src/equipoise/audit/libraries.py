"""The statistics that audits take from kept libraries, which are an extra."""

from __future__ import annotations

from typing import Any

from equipoise.optional import load_library


def audit_library(module: str) -> Any:
    """Return a module of fairlearn or statsmodels.

    Raises
    ------
    InputError
        When it is not installed.
    """
    return load_library("audits", module, 'Run `pip install "equipoise[audit]"`.')

"""One error for stored figures that do not have the layout that a page needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jinja2 import TemplateError

from equipoise.errors import FileFormatError
from equipoise.store import RunFolder


@contextmanager
def layout_of(run: RunFolder) -> Iterator[None]:
    """Turn what a missing or misshapen field raises into an error that names the run.

    Raises
    ------
    FileFormatError
        When the figures lack a field, or it is of another kind.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise FileFormatError(
            f"figures of run {run.path}",
            "must have the layout of docs/figures.md",
            f"{type(error).__name__}: {error}",
            f"Run `equipoise balance --out {run.path}` again.",
        ) from error

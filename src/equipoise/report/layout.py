"""One error for a stored record that does not have the layout that a page needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from jinja2 import TemplateError

from equipoise.errors import FileFormatError
from equipoise.store import RunFolder


@contextmanager
def layout_of(what: str, layout: str, remedy: str) -> Iterator[None]:
    """Turn what a missing or misshapen field raises into an error that names the record.

    Parameters
    ----------
    what : str
        The record, as the error names it.
    layout : str
        Where its layout is told.
    remedy : str

    Raises
    ------
    FileFormatError
        When the record lacks a field, or it is of another kind.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise FileFormatError(
            what, f"must have the layout of {layout}", f"{type(error).__name__}: {error}", remedy
        ) from error


def layout_of_run(run: RunFolder) -> AbstractContextManager[None]:
    """As `layout_of`, for the figures of a run."""
    return layout_of(
        f"figures of run {run.path}",
        "docs/figures.md",
        f"Run `equipoise balance --out {run.path}` again.",
    )

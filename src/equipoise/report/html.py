"""What all HTML pages share: templates, how numbers read, pictures inside the file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from equipoise.core.errors import FileFormatError
from equipoise.core.numbers import estimate, is_missing, number, percent
from equipoise.runs.folder import RunFolder
from equipoise.stats.shares import Share


def environment(**settings: Any) -> Environment:
    """Return where the templates are, with the filters and tests that they use."""
    found = Environment(
        loader=PackageLoader("equipoise.report", "."),
        undefined=StrictUndefined,
        **{"autoescape": True, **settings},
    )
    found.filters.update(percent=percent, number=number, estimate=estimate, sentence=_sentence)
    found.tests["missing"] = is_missing
    return found


def data_uri(path: Path) -> str | None:
    """Return the picture as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _sentence(text: str) -> str:
    """Begin with a capital, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


@contextmanager
def consistent(what: str, remedy: str) -> Iterator[None]:
    """Turn what parts of a record that do not go together raise into an error that names it.

    Parameters
    ----------
    what : str
        The record, as the error names it.
    remedy : str

    Raises
    ------
    FileFormatError
        When a part is missing, or lists are of other lengths.
    """
    try:
        yield
    except (IndexError, ValueError, TemplateError) as error:
        raise FileFormatError(
            what, "must have parts that go together", f"{type(error).__name__}: {error}", remedy
        ) from error


def figures_of(run: RunFolder) -> tuple[str, str]:
    """Return how errors name the figures of a run, and the remedy."""
    return f"figures of run {run.path}", f"Run `equipoise balance --out {run.path}` again."


class HasPicture(Protocol):
    """A part of a record with a picture of its own."""

    @property
    def picture(self) -> str: ...  # noqa: D102


def sheets(folder: Path, shown: Sequence[HasPicture]) -> list[str | None]:
    """Return the picture of each part of a record as a data URI."""
    return [data_uri(folder / "pictures" / part.picture) for part in shown]


Group = TypeVar("Group")


def worst_first(groups: Sequence[Group], rate: str) -> list[Group]:
    """Order groups by one of their rates, the highest first; one without images counts as 0."""

    def key(group: Group) -> float:
        found: Share = getattr(group, rate)
        return -found.share if found.n else 0.0

    return sorted(groups, key=key)

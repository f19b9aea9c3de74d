"""Parts of all HTML reports: the templates, embedded pictures, and errors of damaged records."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape

from equipoise.core.checks import by_kind
from equipoise.core.errors import FileFormatError
from equipoise.core.numbers import decimals, estimate, is_missing, number, percent

if TYPE_CHECKING:
    from equipoise.runs.folder import RunFolder
    from equipoise.stats.shares import Share

FILTERS: dict[str, Callable[..., str]] = {
    "decimals": decimals,
    "estimate": estimate,
    "estimate_percent": partial(estimate, write=percent),
    "number": number,
    "percent": percent,
    "thousands": "{:,}".format,
}
"""Filters for numbers, which all templates use."""


def environment(**settings: Any) -> Environment:
    """Return the environment of the templates, with the filters and tests that they use."""
    given = {"loader": PackageLoader("equipoise.report", "."), "autoescape": True, **settings}
    found = Environment(undefined=StrictUndefined, **given)
    found.filters.update(FILTERS, sentence=_sentence, by_kind=by_kind, breakable=_breakable)
    found.tests["missing"] = is_missing
    return found


@cache
def _environment() -> Environment:
    return environment()


def data_uri(path: Path) -> str | None:
    """Return a PNG file as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


class HasPicture(Protocol):
    """A part of a record with a contact sheet."""

    @property
    def picture(self) -> str: ...  # noqa: D102


_WIDE = '<div class="wide" tabindex="0" role="group" aria-label="table"><table>'
"""A table that scrolls sideways on a narrow screen, by keys too."""


@dataclass(frozen=True)
class Frame:
    """What is around a report, and how it names its pictures.

    Attributes
    ----------
    templates : callable
        Returns the environment.
    shell : str
        The template that the report extends.
    source : callable
        From a file of a picture to its source in HTML; None where there is no such file.
    around : mapping
        What the shell needs.
    """

    templates: Callable[[], Environment] = _environment
    shell: str = "page.html.jinja"
    source: Callable[[Path], str | None] = data_uri
    around: Mapping[str, Any] = field(default_factory=dict)

    def fill(self, template: str, **context: Any) -> str:
        """Return a template as HTML; tables scroll sideways where the screen is narrow."""
        found = self.templates().get_template(template)
        html = found.render(shell=self.shell, **self.around, **context)
        return html.replace("<table>", _WIDE).replace("</table>", "</table></div>")

    def sheets(self, folder: Path, shown: Sequence[HasPicture]) -> list[str | None]:
        """Return the source of the contact sheet of each part of a record."""
        return [self.source(folder / "pictures" / part.picture) for part in shown]

    def sheet(self, folder: Path, part: HasPicture | None) -> str | None:
        """Return the source of the contact sheet of one part; None where it has none."""
        if part is None or not part.picture:
            return None
        return self.source(folder / "pictures" / part.picture)


ALONE = Frame()
"""One file that loads nothing."""


def _breakable(name: str) -> Markup:
    """Return an identifier that a line may break after its marks, and not inside its words.

    Examples
    --------
    >>> _breakable("error_gap:cells")
    Markup('error_<wbr>gap:<wbr>cells')
    """
    return Markup(re.sub(r"([_:,=]|-(?:&gt;)?)", r"\1<wbr>", str(escape(name))))


def _sentence(text: str) -> str:
    """Return a text with its first letter capitalised."""
    return text[:1].upper() + text[1:]


@contextmanager
def consistent(what: str, remedy: str) -> Iterator[None]:
    """Turn exceptions caused by parts that do not match into one error that names the record.

    Parameters
    ----------
    what : str
        The record, as the error names it.
    remedy : str

    Raises
    ------
    FileFormatError
        When a part is missing, or the lengths of lists differ.
    """
    try:
        yield
    except (LookupError, ValueError, TemplateError) as error:
        raise FileFormatError(
            what, "must have parts that go together", f"{type(error).__name__}: {error}", remedy
        ) from error


def record_of(run: RunFolder) -> tuple[str, str]:
    """Return the name of a run's record for errors, and the remedy."""
    return f"record of run {run.path}", f"Run `equipoise balance --out {run.path}` again."


Group = TypeVar("Group")


def worst_first(groups: Sequence[Group], rate: str) -> list[Group]:
    """Return groups by one of their rates, the highest first; a missing rate counts as 0."""

    def key(group: Group) -> float:
        found: Share = getattr(group, rate)
        return -found.share if found.n else 0.0

    return sorted(groups, key=key)

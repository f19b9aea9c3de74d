"""What all HTML pages share: templates, how numbers read, pictures inside the file."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from equipoise.report.words import estimate, number, percent


def environment() -> Environment:
    """Return where the templates are, with the filters that they use."""
    found = Environment(
        loader=PackageLoader("equipoise.report", "."), autoescape=True, undefined=StrictUndefined
    )
    found.filters.update(percent=percent, number=number, estimate=estimate, sentence=_sentence)
    return found


def data_uri(path: Path) -> str | None:
    """Return the picture as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _sentence(text: str) -> str:
    """Begin with a capital, and leave the rest as it is."""
    return text[:1].upper() + text[1:]

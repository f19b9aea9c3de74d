"""Lets pages link to files of the repository that the site shows as pages of its own.

Pages are read in the repository too, where `../benchmarks/results/methods.md` and
`../examples/gallery/plot_1_first_balance.py` are right. The site has `results/methods` and
`gallery/plot_1_first_balance` in their place, so there the links lead to these.
"""

from __future__ import annotations

import re
from typing import Any

_RESULT = re.compile(r"\]\((?:\.\./)+benchmarks/results/([\w-]+)\.md")
_EXAMPLE = re.compile(r"\]\((?:\.\./)+examples/gallery/([\w-]+)\.py")


def _lead(app: Any, page: str, source: list[str]) -> None:
    up = "../" * page.count("/")
    text = _RESULT.sub(rf"]({up}results/\1.md", source[0])
    source[0] = _EXAMPLE.sub(rf"]({up}gallery/\1.rst", text)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _lead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

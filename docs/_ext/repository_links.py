"""Lets pages link to the benchmarks' results as files of the repository.

A page is read in the repository too, where `../benchmarks/results/methods.md` is right. The site
shows that file as its page `results/methods`, so there the link leads to it.
"""

from __future__ import annotations

import re
from typing import Any

_LINK = re.compile(r"\]\((?:\.\./)+benchmarks/results/([\w-]+)\.md")


def _lead(app: Any, page: str, source: list[str]) -> None:
    up = "../" * page.count("/")
    source[0] = _LINK.sub(rf"]({up}results/\1.md", source[0])


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _lead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

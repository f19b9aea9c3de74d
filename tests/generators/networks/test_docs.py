"""The page's own generator runs as it stands."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders.command_line import Done

DOCS = Path(__file__).parents[3] / "docs" / "generators"


def test_the_example_is_labelled(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (DOCS / "own.md").read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "mine.py").write_text(code)
    command = "collect --generator mine:Squares --attributes skin_tone --n 300 --out run"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert "skin_tone=light" in cli(*command.split()).stdout


def test_pages_name_files_that_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"

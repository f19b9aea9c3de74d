"""The tutorial's example of one's own generator and classifier runs as it stands."""

from pathlib import Path
from typing import Any

import pytest


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("n=3000", "n=3000, measure_n=300")
    code = code.replace("balance(Settings", "done = balance(Settings")
    names: dict[str, Any] = {"__name__": "__main__"}
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "tutorial.md", "exec"), names)
    assert names["done"].representation.kl < 0.05

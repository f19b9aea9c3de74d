"""The page's own generator runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs" / "generators"


def test_the_example_is_labelled(tmp_path: Path) -> None:
    code = (DOCS / "own.md").read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "mine.py").write_text(code)
    command = "collect --generator mine:Squares --attributes skin_tone --n 300 --out run"
    done = subprocess.run(
        [sys.executable, "-c", "from equipoise.cli import main; main()", *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "skin_tone=light" in done.stdout


def test_pages_name_files_that_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"

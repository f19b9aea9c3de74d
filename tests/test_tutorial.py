"""The tutorial's example of one's own generator and classifier runs as it stands."""

import subprocess
import sys
from pathlib import Path


def test_the_example_runs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("n=3000", "n=3000, measure_n=300")
    code = code.replace("balance(Settings", "done = balance(Settings")
    code += "print(done.representation.kl < 0.05)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"

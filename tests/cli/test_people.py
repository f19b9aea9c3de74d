import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.builders.command_line import Done


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """100 images, 80 answered no and 20 yes; the true level is the image's colour."""
    folder = tmp_path / "drawn"
    (folder / "images").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "smiling", "smiling.p.no", "smiling.p.yes", "smiling.score"])
        for i in range(100):
            truth = 255 * (i % 5 == 0)
            name = f"images/{i:09d}.png"
            Image.fromarray(np.full((8, 8, 3), truth, np.uint8)).save(folder / name)
            writer.writerow([name, "yes" if i >= 80 else "no", 0.5, 0.5, 0.5])
    return folder


def fill(task: Path, out: Path) -> Path:
    """Label each image by its colour, as a rater who sees nothing else."""
    with (task / "to_label.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            with Image.open(task / row["image"]) as image:
                row["smiling"] = "yes" if np.asarray(image).mean() > 127 else "no"
            writer.writerow(row)
    return out


def test_export_then_import(cli: Callable[..., Done], drawn: Path, tmp_path: Path) -> None:
    task = tmp_path / "task"
    done = cli("label", "export", str(drawn), "--per-answer", "20", "--out", str(task))
    assert "to label 40 of 100 images, 2 answers" in done.stdout
    tables = [str(fill(task, tmp_path / f"{name}.csv")) for name in ("anna", "ben")]
    done = cli("label", "import", str(task), *tables, "--json", str(tmp_path / "found.json"))
    assert "1.000" in done.stdout
    assert "corrected; n = 100, judged 40" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    share = found["corrections"][0]["shares"][1]
    assert (share["name"], share["raw"]["estimate"]["value"]) == ("smiling=yes", 0.2)
    assert share["estimate"]["low"] <= 0.2 <= share["estimate"]["high"]
    assert np.sum(found["errors"][0]["counts"]) == 40


def test_bad_input_is_told_in_a_sentence(
    cli: Callable[..., Done], drawn: Path, tmp_path: Path
) -> None:
    task = tmp_path / "task"
    done = cli("label", "export", str(drawn), "--per-answer", "0", "--out", str(task), code=2)
    assert "per_answer must be a whole number of at least 1, got 0" in done.error
    cli("label", "export", str(drawn), "--at-random", "5", "--out", str(task))
    (tmp_path / "bad.csv").write_text("image,smiling\nimages/0001.png,perhaps\n")
    done = cli("label", "import", str(task), str(tmp_path / "bad.csv"), code=2)
    assert "must be one of no, yes, or empty, got perhaps" in done.error


@pytest.mark.parametrize("command", ["export", "import"])
def test_help_has_an_example(cli: Callable[..., Done], command: str) -> None:
    done = cli("label", command, "--help")
    assert f"Example: equipoise label {command}" in " ".join(done.stdout.split())

"""A folder of drawn images with metadata, as `equipoise sample --out` writes it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEADER = [
    "file_name",
    "smiling",
    "smiling.p.no",
    "smiling.p.yes",
    "smiling.score",
    "tone",
    "tone.p.dark",
    "tone.p.light",
    "tone.score",
]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """60 images whose grey tells the row; answers: 30, 12, 12, 3 of the cells, 3 unknown."""
    folder = tmp_path / "drawn"
    (folder / "images").mkdir(parents=True)
    answers = [("no", "dark")] * 30 + [("no", "light")] * 12 + [("yes", "dark")] * 12
    answers += [("yes", "light")] * 3 + [("unknown", "dark")] * 3
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for i, (smiling, tone) in enumerate(answers):
            name = f"images/{i:09d}.png"
            Image.fromarray(np.full((8, 8, 3), 4 * i, np.uint8)).save(folder / name)
            writer.writerow([name, smiling, 0.5, 0.5, 0.5, tone, 0.5, 0.5, 0.5])
    return folder

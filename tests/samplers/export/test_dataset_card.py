"""The page of a data set has a head that hubs read."""

import json
from pathlib import Path
from typing import Any

import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import Models
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.export import write_draws
from equipoise.samplers.export.dataset_card import TARS, cell_table, dataset_card
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler


def head(page: str) -> dict[str, Any]:
    """Read the head, whose values are JSON."""
    opened, lines, _ = page.split("---\n", 2)
    assert not opened
    pairs = (line.strip("- ").split(": ", 1) for line in lines.splitlines() if ": " in line)
    return {name: json.loads(value) for name, value in pairs}


def test_a_folder_has_a_page_with_its_counts(
    toy_sampler: Sampler, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    write_draws(toy_sampler, Models(toy, toy_panel), DrawRequest(40, verified=True), tmp_path)
    page = (tmp_path / "README.md").read_text()
    found = head(page)
    assert found["pretty_name"] == tmp_path.name
    assert found["size_categories"] == ["n<1K"]
    assert found["data_files"] == ["metadata.csv", "images/*.png"]
    assert "synthetic" in found["tags"]
    rows = [
        line.split(" | ") for line in page.splitlines() if line.startswith("| ") and "=" in line
    ]
    assert sum(int(row[1].strip("| ")) for row in rows) == 40
    assert "40 verified draws of the generator toy, seed 0" in page


@pytest.mark.parametrize(("images", "words"), [(999, "n<1K"), (1000, "1K<n<10K"), (10**9, "n>1B")])
def test_sizes_are_the_classes_of_the_hub(images: int, words: str) -> None:
    assert head(dataset_card("faces", images, TARS, []))["size_categories"] == [words]


@pytest.mark.parametrize("name", ['a "quoted": name\n---\n# more', "faces \U0001f600", "a\\b"])
def test_no_name_breaks_the_page(name: str) -> None:
    yaml = pytest.importorskip("yaml", reason="not applicable: PyYAML is missing")
    page = dataset_card(name, 1, TARS, [])
    assert yaml.safe_load(page.split("\n---\n")[0])["pretty_name"] == name


def test_no_text_breaks_a_table() -> None:
    row = cell_table(("a",), [("b|c",), ("d\\|e",), ("<b>\n",)])[2:]
    assert row == ["| b\\|c |", "| d\\\\\\|e |", "| &lt;b>  |"]

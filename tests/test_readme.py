"""The commands of the README, given as they stand there and in their order, in one folder.

Flags are added that make them small, and the toy is the generator where none is named. What they
need of a user, models, answers and photographs, is made here.
"""

from __future__ import annotations

import csv
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from equipoise.generators import Generator
from tests.builders.checkpoints import write_nvidia
from tests.builders.command_line import Done
from tests.builders.stylegan2_reference import small
from tests.builders.toy_module import toy_module
from tests.test_docs import README, commands

SMALL = {
    "balance": "--generator toy --n 3000 --measure-n 300",
    "quality": "--n 300 --watch glasses",
    "view": "--bundle pages",
    "audit classifier": "--n 120",
    "audit verification": "--fmr 0.01",
    "audit superres": "--n 12 --model bicubic",  # pulse needs gradients, which the toy has not
}
"""Flags that are added to a command; but a generator that it names stays."""

EMBED = """
def embed(images):
    flat = images[:, :, ::4, ::4].reshape(len(images), -1).astype("float64")
    return flat - flat.mean(axis=1, keepdims=True)
"""

STUDY = """
[settings]
attributes = ["smiling"]
method = "shift"
components = 1
distance = 1.5
n = 1000
measure_n = 300
[generators]
first = "toy"
[targets]
even = "uniform"
mostly = "marginals: smiling=yes:3,no:1"
"""

SMILE = """
kind = "onnx"
file = "smile.onnx"
[input]
size = 32
[[attribute]]
name = "smiling"
levels = ["no", "yes"]
output = "logits"
activation = "softmax"
"""


def write_classifier(home: Path) -> None:
    """Write a network that calls red faces smiling, and its description."""
    weights = np.array([[-9, 9], [4.5, -4.5], [4.5, -4.5]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "w"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "smile",
        [value("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [value("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), home / "smile.onnx")
    (home / "smile.toml").write_text(SMILE)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])


def write_answers(home: Path) -> None:
    """Write what a user has of the images that the audit drew: answers, ages, photographs."""
    material = home / "runs" / "audit" / "material"
    rows = rows_of(material)
    files = [row["file_name"] for row in rows]
    said = [row["smiling"] for row in rows]
    write_table(home / "cloud.csv", ("file_name", "label"), list(zip(files, said, strict=True)))
    ages = [(name, 20 + i % 40) for i, name in enumerate(files)]
    write_table(home / "ages.csv", ("file_name", "age"), ages)
    shutil.copytree(material / "images", home / "photos")
    names = ("file_name", "smiling", "skin_tone")
    known = [(row["file_name"].removeprefix("images/"), *map(row.get, names[1:])) for row in rows]
    write_table(home / "labels.csv", names, known)


def write_labels(home: Path) -> None:
    """Fill the tables of two raters."""
    with (home / "to_label" / "to_label.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in ("anna", "ben"):
        filled = [tuple({**row, "smiling": "yes", "skin_tone": "dark"}.values()) for row in rows]
        write_table(home / f"{name}.csv", tuple(rows[0]), filled)


def write_prompts(home: Path) -> None:
    """Write a folder of images a prompt."""
    images = sorted((home / "images" / "images").iterdir())
    for i, prompt in enumerate(("a nurse", "a pilot")):
        (home / "prompts" / prompt).mkdir(parents=True)
        for path in images[200 * i : 200 * i + 60]:
            shutil.copyfile(path, home / "prompts" / prompt / path.name)


BEFORE: dict[str, Callable[[Path], None]] = {
    "audit answers": write_answers,
    "label import": write_labels,
    "measure prompts": write_prompts,
}
"""What is made before a command, of what those before it left."""


def small_one(words: list[str]) -> list[str]:
    """Return a command with the flags that make it small."""
    added = [SMALL[name] for name in SMALL if words[: len(name.split())] == name.split()]
    pairs = shlex.split(" ".join(added))
    new = zip(pairs[::2], pairs[1::2], strict=True)
    own = "--generator" in words
    return [*words, *(word for pair in new if not (own and "--generator" in pair) for word in pair)]


def test_the_commands_work_in_their_order(
    tmp_path: Path,
    cli: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
    real: Generator,
) -> None:
    text = README.read_text(encoding="utf-8").split("## From the command line")[1]
    lines = list(commands(text.split("\n## ")[0]))
    assert len(lines) >= 20
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    write_nvidia(small(1), tmp_path / "network.pkl")
    write_classifier(tmp_path)
    (tmp_path / "mine.py").write_text(toy_module(0.2) + EMBED)
    (tmp_path / "study.toml").write_text(STUDY)
    for line in lines:
        words = shlex.split(line)[1:]
        for name, make in BEFORE.items():
            if words[: len(name.split())] == name.split():
                make(tmp_path)
        cli(*small_one(words))
    for made in ("runs/faces/report.html", "runs/faces/card.md", "weighted/metadata.csv"):
        assert (tmp_path / made).stat().st_size > 500
    assert (tmp_path / "pages" / "index.html").is_file()
    assert len(rows_of(tmp_path / "images")) == 1000

"""Model files whose answers are known: the pinned ones, described, and one that reads the toy."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
import torch

from equipoise.classifiers.expression import EXPRESSIONS
from equipoise.generators.toy import ToyGenerator
from equipoise.runtimes import zoo

FER = f"""
kind = "tflite"
file = "fer.tflite"
licence = "MIT"
[input]
size = 64
filter = "box"
mean = [0.5]
std = [0.5]
scale = 255
channels = "grey"
layout = "nhwc"
[[attribute]]
name = "smiling"
levels = ["no", "yes"]
activation = "none"
labels = {list(EXPRESSIONS)}
map = {{ {", ".join(f'{e} = "{"yes" if e == "happy" else "no"}"' for e in EXPRESSIONS)} }}
[[attribute]]
name = "expression"
levels = {list(EXPRESSIONS)}
activation = "none"
"""

GENDER = """
kind = "onnx"
file = "gender.onnx"
[input]
size = 32
filter = "box"
scale = 256
mean = [MEAN]
[[attribute]]
name = "gender"
levels = ["female", "male"]
activation = "none"
"""

SMILE = """
kind = "torchscript"
file = "smile.pt"
[input]
size = 32
scale = 1
CHANNELS
[[attribute]]
name = "smiling"
levels = ["no", "yes"]
columns = [1]
activation = "none"
thresholds = [CUT]
[[attribute]]
name = "redness"
levels = ["low", "high"]
output = 1
activation = "softmax"
"""


class ReadPatches(torch.nn.Module):
    """The toy's values by patch, and whether red outweighs blue: sure of it when it does."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        patches = images[:, :, -2, 4:32:8].mean(dim=1)
        means = images.mean(dim=(2, 3))
        redness = (means[:, 0] - means[:, 2]) / 8
        return patches, torch.stack([-redness, redness], dim=1)


def save_scripted(folder: Path, channels: str = "") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(ReadPatches()), folder / "smile.pt")
    toy = ToyGenerator()
    cut = int(toy.thresholds[toy.grid.attribute("smiling")][0])
    text = SMILE.replace("CUT", str(cut)).replace("CHANNELS", channels)
    (folder / "smile.toml").write_text(text)
    return folder / "smile.toml"


def save_fer(folder: Path) -> Path:
    shutil.copy(zoo.fetch("expression"), folder / "fer.tflite")
    (folder / "fer.toml").write_text(FER)
    return folder / "fer.toml"


def save_gender(folder: Path) -> Path:
    from equipoise.classifiers.age_gender import _MEAN

    shutil.copy(zoo.fetch("gender"), folder / "gender.onnx")
    mean = ", ".join(str(float(v) / 256) for v in torch.as_tensor(_MEAN).flatten())
    (folder / "gender.toml").write_text(GENDER.replace("MEAN", mean))
    return folder / "gender.toml"


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    return save_scripted(tmp_path)

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.audit.preflight.before_run import check_panel
from equipoise.classifiers import ClassifierPanel, open_classifier
from equipoise.core.errors import ModelOutputError
from equipoise.generators.toy import ToyGenerator
from tests.builders.command_line import Done


class Bright(torch.nn.Module):
    """Probabilities of dark and light, by brightness."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        share = images.mean(dim=(1, 2, 3))
        return torch.stack([1 - share, share], dim=1)


def save_bright(folder: Path, activation: str) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Bright()), folder / "bright.pt")
    (folder / "bright.toml").write_text(
        'kind = "torchscript"\nfile = "bright.pt"\n[input]\nsize = 8\n[[attribute]]\n'
        f'name = "bright"\nlevels = ["dark", "light"]\nactivation = "{activation}"\n'
    )
    return folder / "bright.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i in range(12):
        Image.new("RGB", (8, 8), (20 * i,) * 3).save(tmp_path / "in" / f"{i:02d}.png")
    return tmp_path / "in"


def test_every_command_that_asks_a_classifier_finds_a_doubled_activation(
    cli: Callable[..., Done], folder: Path, tmp_path: Path
) -> None:
    flags = (f"--classifier={save_bright(tmp_path, 'softmax')}", "--attributes=bright")
    out = ("--generator=toy", f"--out={tmp_path / 'run'}", "--n=400")
    for command in (("measure", folder), ("collect", *out), ("balance", *out)):
        error = " ".join(cli(*command, *flags, code=2).error.split())
        assert "classifier 'bright' must pass its checks before a run" in error
        assert "the outputs are probabilities already" in error
    save_bright(tmp_path, "none")
    cli("measure", folder, *flags)


def test_images_of_one_level_are_no_fault_and_few_images_decide_nothing(
    toy: ToyGenerator, tmp_path: Path
) -> None:
    same = np.full((16, 3, 8, 8), 40, np.uint8)
    right = open_classifier(str(save_bright(tmp_path, "none")))
    check_panel(ClassifierPanel([right], ["bright"]), same)
    wrong = open_classifier(str(save_bright(tmp_path, "softmax")))
    check_panel(ClassifierPanel([wrong], ["bright"]), same[:7])
    with pytest.raises(ModelOutputError, match="activation:bright"):
        check_panel(ClassifierPanel([wrong], ["bright"]), toy.images(toy.prior.codes(0, 0, 16)))

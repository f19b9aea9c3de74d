from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.cli.files import convert
from equipoise.core.errors import InputError
from equipoise.generators import open_generator
from tests.builders.checkpoints import rosinality_state, write_nvidia
from tests.builders.stylegan2_reference import small


def test_a_converted_file_gives_the_same_images_and_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "net.pkl", tmp_path / "net.safetensors"
    write_nvidia(small(1, c_dim=2), source)
    convert(source, out)
    assert "32x32, 2 classes" in capsys.readouterr().out
    a, b = (open_generator(f"stylegan2:{file}?class=1") for file in (source, out))
    codes = a.prior.codes(0, 0, 5)
    assert np.array_equal(a.images(codes), b.images(codes))
    assert a.digest == b.digest


def test_the_name_of_the_new_file_is_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out must end in \.safetensors"):
        convert(tmp_path / "net.pkl", tmp_path / "net.pt")


def test_what_a_file_leaves_out_is_said_by_each_command(
    tmp_path: Path, cli: Callable[..., Any]
) -> None:
    content = rosinality_state(small(2, mapping_width=10))
    del content["latent_avg"]
    torch.save(content, tmp_path / "net.pt")
    said = [cli("convert", tmp_path / "net.pt", tmp_path / "net.safetensors").stdout]
    address = f"stylegan2:{tmp_path / 'net.safetensors'}?space=w"
    flags = ("--generator", address, "--attributes", "skin_tone", "--n", 64)
    said.append(cli("doctor", *flags, "--out", tmp_path / "doctor.png").stdout)
    for text in said:
        words = " ".join(text.split())
        assert "(lr_mlp): assumed is the project's default, 0.01" in words
        assert "it is that of 4,096 fixed codes" in words

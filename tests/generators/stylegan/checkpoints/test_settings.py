"""Settings in a file that change the images are checked, and those it lacks are noted."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.core.errors import FileFormatError
from equipoise.generators.stylegan.file import load_network
from tests.builders.checkpoints import (
    genforce_state,
    rosinality_state,
    their_modules,
    their_packages,
    write_nvidia,
)
from tests.builders.stylegan2_reference import small


def outer(*taps: float) -> torch.Tensor:
    row = torch.tensor(taps)
    return torch.outer(row, row) / row.sum() ** 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m["mapping.fc0"], "activation", "relu"), "fc0 with activation 'relu'"),
        (lambda m: setattr(m["mapping.fc1"], "activation", "linear"), "fc1 with activation"),
        (lambda m: setattr(m["synthesis.b8.conv0"], "activation", "swish"), r"b8\.conv0 with"),
        (
            lambda m: m["synthesis.b8.conv0"].register_buffer("resample_filter", outer(1, 2, 1)),
            r"conv0\.resample_filter of shape \(3, 3\) that is not \[1, 3, 3, 1\]",
        ),
        (
            lambda m: m["synthesis.b8.conv0"].register_buffer("resample_filter", outer(1, 4, 4, 1)),
            r"resample_filter of shape \(4, 4\) that is not",
        ),
    ],
)
def test_nvidias_settings_are_checked(
    change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    with their_packages():
        root = their_modules(small())
        change(dict(root.named_modules()))
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    with pytest.raises(FileFormatError, match=f"settings of NVIDIA's StyleGAN2, got .*{said}"):
        load_network(tmp_path / "net.pkl")


@pytest.mark.parametrize("kernel", [outer(1, 2, 1) * 4, outer(1, 3, 3, 1), outer(1, 1, 1, 1) * 4])
def test_rosinalitys_and_genforces_filters_are_checked(
    kernel: torch.Tensor, tmp_path: Path
) -> None:
    theirs = rosinality_state(small(2, mapping_width=10))
    theirs["g_ema"]["to_rgbs.0.upsample.kernel"] = kernel
    torch.save(theirs, tmp_path / "net.pt")
    with pytest.raises(FileFormatError, match=r"to_rgbs\.0\.upsample\.kernel of shape"):
        load_network(tmp_path / "net.pt")
    state = genforce_state(small(2))
    state["synthesis.layer1.filter.kernel"] = kernel[None, None]
    torch.save({"generator": state}, tmp_path / "net.pth")
    with pytest.raises(FileFormatError, match=r"layer1\.filter\.kernel of shape"):
        load_network(tmp_path / "net.pth")


def test_their_usual_filters_are_accepted(tmp_path: Path) -> None:
    state = genforce_state(small(2))
    state["synthesis.upsample.kernel"] = 4 * outer(1, 3, 3, 1)[None, None]
    torch.save({"generator": state}, tmp_path / "net.pth")
    assert load_network(tmp_path / "net.pth").config.resolution == 32


def test_a_whole_number_as_learning_rate_multiplier_is_read(tmp_path: Path) -> None:
    with their_packages():
        root = their_modules(small(mapping_rate=1.0))
        for name, module in root.named_modules():
            if name.startswith("mapping.fc"):
                module.bias_gain = 1
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    assert load_network(tmp_path / "net.pkl").config.mapping_rate == 1.0


def test_what_a_file_cannot_say_is_noted(tmp_path: Path) -> None:
    write_nvidia(small(), tmp_path / "net.pkl")
    assert load_network(tmp_path / "net.pkl").notes == ()
    torch.save(rosinality_state(small(2, mapping_width=10)), tmp_path / "net.pt")
    assert "(lr_mlp)" in load_network(tmp_path / "net.pt").notes[0]
    torch.save(small().state_dict(), tmp_path / "bare.pt")
    assert "a clamp of 256" in load_network(tmp_path / "bare.pt").notes[0]

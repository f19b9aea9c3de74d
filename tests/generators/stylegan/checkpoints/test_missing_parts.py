"""Files that leave out the mean of w or the noise: both are made, and said, never silently 0."""

from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.seeds import normal_rows
from equipoise.generators import open_generator
from equipoise.generators.stylegan.file import load_network
from tests.builders.checkpoints import genforce_state, rosinality_state
from tests.builders.stylegan2_reference import map_codes, small, synthesise


def written(path: Path, without: str) -> Path:
    """A checkpoint as rosinality's training writes it, or as code before 2020-01-15 did."""
    content = rosinality_state(small(2, mapping_width=10))
    content.pop("latent_avg")
    content["g_ema"] = {k: v for k, v in content["g_ema"].items() if not k.startswith(without)}
    torch.save(content, path)
    return path


def test_a_missing_mean_of_w_is_that_of_fixed_codes(tmp_path: Path) -> None:
    path = written(tmp_path / "net.pt", "nothing")
    network = load_network(path)
    config, state = network.config, {k: v.double() for k, v in network.state_dict().items()}
    z = torch.from_numpy(normal_rows(0, 0, 4096, 12)).double()
    exact = map_codes(config, state, z, None).mean(0)
    assert float((network.mapping.w_avg - exact).abs().max()) < 1e-5
    assert any("mean of w" in note and "4,096 fixed codes" in note for note in network.notes)
    # Truncation draws to it: the images are those of the paper's rule.
    generator = open_generator(f"stylegan2:{path}?space=w&truncation=0.5")
    codes = generator.prior.codes(1, 0, 2)
    for row, image in zip(codes, generator.images(codes), strict=True):
        w = exact + 0.5 * (torch.from_numpy(row).double() - exact)
        expected = synthesise(config, state, w.expand(config.styles, -1), True)
        assert np.abs(image - (expected * 127.5 + 128).clamp(0, 255).numpy()).max() < 1.01


def test_a_missing_mean_over_classes_takes_each_alike(tmp_path: Path) -> None:
    network = small(1, c_dim=3)
    state = {k: v for k, v in network.state_dict().items() if k != "mapping.w_avg"}
    torch.save({"G_ema": state}, tmp_path / "net.pkl")
    z = torch.from_numpy(normal_rows(0, 0, 4096, 12)).double()
    double = {k: v.double() for k, v in network.state_dict().items()}
    classes = torch.eye(3, dtype=torch.float64)[torch.arange(4096) % 3]
    exact = map_codes(network.config, double, z, classes).mean(0)
    found = load_network(tmp_path / "net.pkl").mapping.w_avg
    assert float((found - exact).abs().max()) < 1e-5


def test_a_file_without_noise_gets_fixed_noise_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "net.pt", "noises.")
    network = load_network(path)
    assert any("noise=const is drawn by seed 0" in note for note in network.notes)
    again = load_network(path)
    assert all(map(torch.equal, network.state_dict().values(), again.state_dict().values()))
    noise = network.state_dict()["synthesis.b32.conv1.noise_const"]
    assert noise.shape == (32, 32)
    assert abs(float(noise.std()) - 1) < 0.1
    # Without noise, the file gives the images that it gives with all its parts.
    other = written(tmp_path / "whole.pt", "nothing")
    codes = normal_rows(3, 0, 2, 12)
    quiet = [open_generator(f"stylegan2:{p}?noise=none").images(codes) for p in (path, other)]
    assert np.array_equal(*quiet)


def test_what_is_missing_in_part_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "net.pt", "noises.noise_2")
    with pytest.raises(FileFormatError, match=r"missing .*b16\.conv0\.noise_const|b8\.conv1"):
        load_network(path)


def test_genforces_file_without_mean_or_noise(tmp_path: Path) -> None:
    state = genforce_state(small(2))
    state = {k: v for k, v in state.items() if not k.endswith((".noise", "w_avg"))}
    torch.save({"generator_smooth": state}, tmp_path / "net.pth")
    notes = " ".join(load_network(tmp_path / "net.pth").notes)
    assert "mean of w" in notes
    assert "noise=const" in notes
    assert "final_tanh, use_wscale" in notes

"""Grey images, images with opacity, small images, and networks whose codes are classes alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.core.errors import InputError
from equipoise.core.seeds import normal_rows
from equipoise.generators import open_generator
from equipoise.generators.stylegan.sizes import StyleGAN2Config
from tests.builders.checkpoints import genforce_state, rosinality_state, write_nvidia
from tests.builders.stylegan2_reference import reference_images, small
from tests.builders.stylegan3_reference import small as small_alias_free


def expected(network: object, z: np.ndarray) -> np.ndarray:
    """By the rule: grey is repeated, opacity is laid on white."""
    out = reference_images(network, z)
    if out.shape[1] == 4:
        opacity = ((out[:, 3:] + 1) / 2).clamp(0, 1)
        out = out[:, :3] * opacity + 1 - opacity
    return (out * 127.5 + 128).clamp(0, 255).expand(-1, 3, -1, -1).numpy()


@pytest.mark.parametrize("colours", [1, 4])
def test_grey_and_opacity_become_rgb(colours: int, tmp_path: Path) -> None:
    network = small(2, image_channels=colours, mapping_width=10)
    write_nvidia(network, tmp_path / "net.pkl")
    torch.save(rosinality_state(network), tmp_path / "net.pt")
    torch.save({"generator": genforce_state(network)}, tmp_path / "net.pth")
    z = normal_rows(1, 0, 3, 12)
    for name in ("net.pkl", "net.pt", "net.pth"):
        generator = open_generator(f"stylegan2:{tmp_path / name}")
        images = generator.images(z)
        assert generator.image_shape == images.shape[1:] == (3, 32, 32)
        assert np.abs(images - expected(network, z)).max() < 1.01
        pixels = generator.pixels(torch.from_numpy(z)).numpy() * 255
        assert np.abs(pixels - images).max() < 1.01


def test_a_grey_stylegan3(tmp_path: Path) -> None:
    network = small_alias_free("T")
    channels = (*network.config.channels[:-1], 1)
    write_nvidia(small_alias_free("T", channels=channels), tmp_path / "net.pkl")
    generator = open_generator(f"stylegan3:{tmp_path / 'net.pkl'}")
    images = generator.images(generator.prior.codes(0, 0, 2))
    assert images.shape[1:] == generator.image_shape
    assert np.array_equal(images[:, 0], images[:, 2])


def test_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match=r"image_channels must be 1 \(grey\), 3 .*, got 2"):
        StyleGAN2Config(32, (8, 8, 8, 8), image_channels=2)


@pytest.mark.parametrize(("size", "channels"), [(8, (6, 5)), (16, (6, 5, 4))])
def test_small_images(size: int, channels: tuple[int, ...], tmp_path: Path) -> None:
    network = small(2, resolution=size, channels=channels)
    write_nvidia(network, tmp_path / "net.pkl")
    generator = open_generator(f"stylegan2:{tmp_path / 'net.pkl'}?space=w")
    assert generator.image_shape == (3, size, size)
    z = normal_rows(1, 0, 2, 12)
    images = open_generator(f"stylegan2:{tmp_path / 'net.pkl'}").images(z)
    assert np.abs(images - expected(network, z)).max() < 1.01


def test_codes_that_are_classes_alone(tmp_path: Path) -> None:
    network = small(2, z_dim=0, c_dim=3)
    write_nvidia(network, tmp_path / "net.pkl")
    generator = open_generator(f"stylegan2:{tmp_path / 'net.pkl'}")
    codes = generator.prior.codes(0, 0, 50)
    assert (codes.shape, set(codes.sum(axis=1))) == ((50, 3), {1.0})
    one_hot = np.eye(3, dtype=np.float32)
    exact = reference_images(network, np.empty((3, 0), np.float32), one_hot)
    pixels = (exact * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(generator.images(one_hot) - pixels).max() < 1.01
    with pytest.raises(InputError, match="class must be several for a network whose codes"):
        open_generator(f"stylegan2:{tmp_path / 'net.pkl'}?class=1")
    mapped = open_generator(f"stylegan2:{tmp_path / 'net.pkl'}?class=1&space=w")
    assert np.ptp(mapped.prior.codes(0, 0, 9), axis=0).max() < 1e-4

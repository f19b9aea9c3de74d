"""PGGAN and StyleGAN 1 of genforce and interfacegan give the images of the papers' layers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.seeds import normal_rows
from equipoise.generators import Differentiable, open_generator
from equipoise.generators.stylegan.common import stored
from equipoise.generators.stylegan.file import load_network, save_network
from equipoise.generators.stylegan.network import Network
from tests.builders.progressive_reference import (
    map_codes,
    pggan_images,
    pggan_state,
    stylegan1_images,
    stylegan1_state,
)

NONE: frozenset[int] = frozenset()


def saved(state: dict, path: Path, project: str) -> Path:
    """As each project writes it: genforce under a key, interfacegan bare."""
    torch.save({"generator_smooth": state} if project == "genforce" else state, path)
    return path


def synthesised(network: Network, w: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.synthesis(
            w.float()[:, None].expand(-1, network.config.styles, -1), stored
        ).double()


@pytest.mark.parametrize(
    ("project", "fused", "channels"),
    [
        ("genforce", NONE, (7, 6, 5, 4)),
        ("genforce", frozenset({128}), (3, 2, 2, 2, 2, 2)),
        ("interfacegan", NONE, (7, 6, 5, 4)),
        ("interfacegan", frozenset({16, 32}), (7, 6, 5, 4)),
        ("interfacegan", NONE, (5, 4)),
    ],
)
def test_stylegan1_is_that_of_the_papers_layers_in_z_and_w(
    project: str, fused: frozenset[int], channels: tuple[int, ...], tmp_path: Path
) -> None:
    state = stylegan1_state(project, channels, fused=fused)
    path = saved(state, tmp_path / "net.pth", project)
    network = load_network(path)
    z = normal_rows(1, 0, 3, 9)
    w = map_codes(state, z)
    mapped = network.mapping(torch.from_numpy(z), None)
    assert float((mapped.double() - w).abs().max()) < 1e-4
    exact = stylegan1_images(project, state, w, fused)
    assert float((synthesised(network, w) - exact).abs().max()) < 1e-4
    assert float(exact.std()) > 0.1
    generator = open_generator(f"stylegan1:{path}?space=w")
    images = generator.images(w.float().numpy())
    pixels = (exact * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(images - pixels).max() < 1.01


def test_truncation_and_its_cutoff_are_those_of_the_file(tmp_path: Path) -> None:
    state = stylegan1_state("genforce")
    path = saved(state, tmp_path / "net.pth", "genforce")
    w = map_codes(state, normal_rows(1, 0, 2, 9))
    whole = open_generator(f"stylegan1:{path}?space=w&truncation=0.7")
    mean = state["truncation.w_avg"].double()
    exact = stylegan1_images("genforce", state, mean + 0.7 * (w - mean))
    pixels = (exact * 127.5 + 128).clamp(0, 255).numpy()
    assert np.abs(whole.images(w.float().numpy()) - pixels).max() < 1.01


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    ("project", "fused"),
    [
        ("genforce", False),
        ("interfacegan", False),
        ("interfacegan", True),
        ("interfacegan, older", False),
    ],
)
def test_pggan_is_that_of_the_papers_layers(
    project: str, fused: bool, colours: int, tmp_path: Path
) -> None:
    state = pggan_state(project, colours=colours, fused=fused)
    path = saved(state, tmp_path / "net.pth", project)
    network = load_network(path)
    z = normal_rows(2, 0, 4, 9)
    exact = pggan_images(project, state, z)
    mapped = network.mapping(torch.from_numpy(z), None)
    assert float((synthesised(network, mapped) - exact).abs().max()) < 1e-4
    generator = open_generator(f"pggan:{path}")
    pixels = (exact * 127.5 + 128).clamp(0, 255).expand(-1, 3, -1, -1).numpy()
    assert np.abs(generator.images(z) - pixels).max() < 1.01
    assert generator.image_shape == (3, 16, 16)


def test_a_pggan_has_no_codes_of_w(tmp_path: Path) -> None:
    path = saved(pggan_state("genforce"), tmp_path / "net.pth", "genforce")
    for options in ("space=w", "truncation=0.5"):
        with pytest.raises(InputError, match="must be space=z and truncation=1 for a PGGAN"):
            open_generator(f"pggan:{path}?{options}")
    with pytest.raises(InputError, match="generator must be pggan: for"):
        open_generator(f"stylegan1:{path}")


@pytest.mark.parametrize("kind", [stylegan1_state, pggan_state])
def test_our_own_file_gives_the_same_images(kind: Callable[[str], dict], tmp_path: Path) -> None:
    path = saved(kind("interfacegan"), tmp_path / "net.pth", "interfacegan")
    network = load_network(path)
    save_network(network, tmp_path / "ours.safetensors")
    again = load_network(tmp_path / "ours.safetensors")
    assert (again.config, again.notes) == (network.config, network.notes)
    assert again.notes and "assumed" in again.notes[0]
    first, second = (
        open_generator(f"{network.config.family}:{tmp_path / name}")
        for name in ("net.pth", "ours.safetensors")
    )
    assert first.digest == second.digest
    codes = first.prior.codes(0, 0, 2)
    assert np.array_equal(first.images(codes), second.images(codes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"synthesis.lod": torch.ones(())}, "was not grown to its end"),
        (
            {"synthesis.layer2.blur.kernel": torch.ones(6, 1, 4, 4)},
            r"layer2\.blur\.kernel of shape",
        ),
        ({"mapping.label_weight": torch.ones(3, 9)}, "classes, which are not supported"),
        ({"synthesis.layer3.weight": None}, r"one without synthesis\.layer3\.weight"),
    ],
)
def test_what_changes_the_images_is_checked(change: dict, said: str, tmp_path: Path) -> None:
    state = {k: v for k, v in {**stylegan1_state("genforce"), **change}.items() if v is not None}
    path = saved(state, tmp_path / "net.pth", "genforce")
    with pytest.raises(FileFormatError, match=f"settings of genforce's StyleGAN 1, got .*{said}"):
        load_network(path)


@pytest.mark.parametrize("kind", [stylegan1_state, pggan_state])
def test_gradients_reach_the_codes(kind: Callable[[str], dict], tmp_path: Path) -> None:
    path = saved(kind("genforce"), tmp_path / "net.pth", "genforce")
    generator = open_generator(f"{load_network(path).config.family}:{path}")
    assert isinstance(generator, Differentiable)
    codes = torch.from_numpy(generator.prior.codes(0, 0, 2)).requires_grad_()
    generator.pixels(codes).square().sum().backward()
    assert float(codes.grad.abs().max()) > 0

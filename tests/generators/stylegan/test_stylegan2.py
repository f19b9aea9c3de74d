import numpy as np
import pytest
import torch

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.seeds import normal_rows
from equipoise.generators.stylegan.file import build
from equipoise.generators.stylegan.network import LoadedCheckpoint
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from tests.builders.stylegan2_reference import images_of, reference_images, small


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("clamp", [None, 0.7])
def test_images_are_those_of_the_papers_equations(
    architecture: str, seed: int, clamp: float | None
) -> None:
    network = small(seed, architecture=architecture, conv_clamp=clamp)
    z = normal_rows(seed, 0, 3, 12)
    for noise in (True, False):
        expected = reference_images(network, z, noise=noise)
        found = images_of(network, z, None, noise)
        assert float((found - expected).abs().max()) < 1e-4
        assert float(expected.std()) > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"c_dim": 4},
        {"resolution": 64, "channels": (8, 8, 6, 4, 4)},
        {"noise": False},
        {"mapping_layers": 1},
        {"mapping_layers": 8, "mapping_rate": 0.1},
    ],
)
def test_variants_are_those_of_the_papers_equations(changes: dict[str, object]) -> None:
    network = small(5, **changes)
    z = normal_rows(1, 0, 4, 12)
    c = np.eye(4, dtype=np.float32) if network.config.c_dim else None
    expected = reference_images(network, z, c)
    assert float((images_of(network, z, c, True) - expected).abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("architecture", "channels"),
    [
        ("skip", (8, 8, 6, 4, 4, 3, 3)),
        ("resnet", (8, 8, 6, 4, 4, 3, 3)),
        ("orig", (8, 8, 6, 4, 4, 3, 3)),
        ("skip", (8, 8, 6, 4, 4, 3, 3, 2, 2)),
    ],
)
def test_large_images_are_those_of_the_papers_equations(
    architecture: str, channels: tuple[int, ...]
) -> None:
    size = 4 * 2 ** (len(channels) - 1)
    network = small(5, resolution=size, channels=channels, architecture=architecture)
    z = normal_rows(1, 0, 1, 12)
    expected = reference_images(network, z)
    assert expected.shape[2:] == (size, size)
    assert float((images_of(network, z, None, True) - expected).abs().max()) < 1e-4


def test_a_state_builds_the_network_it_came_from() -> None:
    network = small()
    again = build(LoadedCheckpoint(network.config, network.state_dict()), "a test")
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.state_dict().values(), network.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("kind", ["missing", "left over", "shape", "finite"])
def test_a_wrong_state_is_refused(kind: str) -> None:
    network = small()
    state = dict(network.state_dict())
    name = "synthesis.b8.conv0.weight"
    if kind == "missing":
        del state[name]
    elif kind == "left over":
        state["synthesis.b64.const"] = torch.zeros(1)
    elif kind == "shape":
        state[name] = state[name][:1]
    else:
        state[name] = state[name] * torch.nan
    named = "b64" if kind == "left over" else "b8.conv0.weight"
    with pytest.raises(FileFormatError, match=named):
        build(LoadedCheckpoint(network.config, state), "a test")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"resolution": 48}, "resolution must be one of 8, 16, 32"),
        ({"architecture": "dense"}, "architecture must be one of skip"),
        ({"channels": (8,)}, "channels must be one width for each of 4 blocks"),
        ({"z_dim": 0}, "z_dim must be a whole number"),
        ({"w_dim": 10**6}, "w_dim must be at most 8192"),
        ({"conv_clamp": -1.0}, "conv_clamp must be above 0"),
        ({"mapping_layers": 1000}, "mapping_layers must be at most 64"),
    ],
)
def test_wrong_sizes_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Config(**{"resolution": 32, "channels": (8, 8, 8, 8), **changes})

"""One network in the containers that people keep it in: the first bytes decide, not the ending."""

import argparse
import copyreg
import enum
import functools
import pathlib
import pickle
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from equipoise.core.errors import FileFormatError
from equipoise.core.seeds import normal_rows
from equipoise.generators import open_generator
from equipoise.generators.stylegan.file import load_network
from tests.builders.checkpoints import (
    genforce_state,
    rosinality_state,
    their_modules,
    their_packages,
    write_nvidia,
)
from tests.builders.stylegan2_reference import reference_images, small


def exact(network: Any, z: np.ndarray) -> np.ndarray:
    return (reference_images(network, z) * 127.5 + 128).clamp(0, 255).numpy()


def prefixed(state: dict, prefix: str) -> dict:
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "bare state of G_ema": lambda network: network.state_dict(),
    "G_ema": lambda network: {"G": None, "G_ema": network.state_dict(), "cur_nimg": 3},
    "DataParallel": lambda network: {"g_ema": prefixed(network.state_dict(), "module.")},
    "two wrappers": lambda network: prefixed(network.state_dict(), "module.generator."),
    "StudioGAN": lambda network: {"state_dict": network.state_dict(), "epoch": 1, "best_fid": 2.0},
    "genforce": lambda network: {"generator": prefixed(genforce_state(network), "module.")},
    "genforce bare": genforce_state,
    "genforce in models": lambda network: {
        "models": {"generator_smooth": genforce_state(network), "discriminator": {}}
    },
    "rosinality": lambda network: {
        **rosinality_state(network),
        "g_ema": prefixed(rosinality_state(network)["g_ema"], "module."),
    },
    "rosinality bare": lambda network: rosinality_state(network)["g_ema"],
}


@pytest.mark.parametrize("name", ["net.pkl", "NET.PT", "net.tar", "net"])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_each_container_gives_the_network_under_any_name(
    kind: str, name: str, tmp_path: Path
) -> None:
    network = small(2, mapping_width=10, conv_clamp=None)
    torch.save(CONTAINERS[kind](network), tmp_path / name)
    z = normal_rows(1, 0, 2, 12)
    images = open_generator(f"stylegan2:{tmp_path / name}").images(z)
    assert np.abs(images - exact(network, z)).max() < 1.01


def test_an_nvidia_pickle_under_another_name(tmp_path: Path) -> None:
    network = small(2)
    for name in ("net.PKL", "net.pt", "net"):
        write_nvidia(network, tmp_path / name)
        z = normal_rows(1, 0, 2, 12)
        images = open_generator(f"stylegan2:{tmp_path / name}").images(z)
        assert np.abs(images - exact(network, z)).max() < 1.01


@pytest.mark.parametrize("archive", [False, True])
def test_networks_that_torch_saved_whole(archive: bool, tmp_path: Path) -> None:
    network = small(2)
    tree = nn.Module()
    for name, tensor in network.state_dict().items():
        *path, own = name.split(".")
        module = tree
        for step in path:
            if step not in module._modules:
                module.add_module(step, nn.Module())
            module = module._modules[step]
        module.register_buffer(own, tensor)
    for name, module in tree.named_modules():
        if name.startswith("synthesis.b"):
            module.architecture, module.conv_clamp = "skip", None
        module.bias_gain = 0.01
    torch.save({"G_ema": tree}, tmp_path / "net.pt", _use_new_zipfile_serialization=archive)
    z = normal_rows(1, 0, 2, 12)
    images = open_generator(f"stylegan2:{tmp_path / 'net.pt'}").images(z)
    assert np.abs(images - exact(network, z)).max() < 1.01


def test_a_state_dict_in_safetensors(tmp_path: Path) -> None:
    network = small(2)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    for name in ("model.safetensors", "model.bin"):
        save_file(state, tmp_path / name)
        z = normal_rows(1, 0, 2, 12)
        images = open_generator(f"stylegan2:{tmp_path / name}").images(z)
        assert np.abs(images - exact(network, z)).max() < 1.01


class Colour(enum.Enum):
    RED = 1


class Tower(list):
    """A list of another project, with state of its own."""


class Touches:
    """Unpickled by anything else, this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def foreign(canary: Path) -> dict[str, Any]:
    tower = Tower([1, 2])
    tower.height = 3
    return {
        "hostile": Touches(canary),
        "path": pathlib.PurePosixPath("/data/faces"),
        "discriminator": {"kind": Colour.RED, Colour.RED: 1, (1, 2): 3},
        "list of another project": tower,
        "partial": functools.partial(print, "x"),
        "deque": deque([1, 2]),
        "complex": 1 + 2j,
        "set": {1, 2},
        "frozen set": frozenset({"a"}),
        "random state": np.random.default_rng(0),
        "class": argparse.Namespace,
        "reconstructor": copyreg._reconstructor,
        "complex numbers": torch.zeros(3, dtype=torch.complex64),
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_foreign_globals_beside_a_sound_generator_stay_inert(protocol: int, tmp_path: Path) -> None:
    canary, network = tmp_path / "canary", small(2)
    value = foreign(canary)
    torch.save(
        {"args": argparse.Namespace(data=value), "d": value, **rosinality_of(network)},
        tmp_path / "net.pt",
        pickle_protocol=protocol,
    )
    assert load_network(tmp_path / "net.pt").config.resolution == 32
    with their_packages():
        root = their_modules(network)
        root.synthesis.training_set = value
        content = {"D": value, "G_ema": root, "training_set_kwargs": value}
        (tmp_path / "net.pkl").write_bytes(pickle.dumps(content, protocol))
    assert load_network(tmp_path / "net.pkl").config.resolution == 32
    assert not canary.exists()


def rosinality_of(network: Any) -> dict:
    return rosinality_state(small(2, mapping_width=10))


def test_a_foreign_global_that_the_generator_uses_is_refused(tmp_path: Path) -> None:
    state = rosinality_of(None)
    state["g_ema"]["conv1.conv.weight"] = Touches(tmp_path / "canary")
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(FileFormatError, match="another network at g_ema"):
        load_network(tmp_path / "net.pt")
    with their_packages():
        root = their_modules(small())
        root.synthesis.b8.conv0._parameters["weight"] = Touches(tmp_path / "canary")
        (tmp_path / "net.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    with pytest.raises(FileFormatError, match=r"must hold tensors, got 'pathlib\.Path\.touch'"):
        load_network(tmp_path / "net.pkl")
    assert not (tmp_path / "canary").exists()


def test_tensors_that_carry_attributes(tmp_path: Path) -> None:
    state = rosinality_of(None)
    for i, (name, tensor) in enumerate(state["g_ema"].items()):
        # As gradient tools leave them: on tensors, and on parameters.
        state["g_ema"][name] = nn.Parameter(tensor.clone()) if i % 2 else tensor.clone()
        state["g_ema"][name].tag = "pruned"
    torch.save(state, tmp_path / "net.pt")
    assert load_network(tmp_path / "net.pt").config.resolution == 32

"""Laws that no reference can share an error with: images turn and move as their input does."""

import numpy as np
import pytest
import torch

from equipoise.core.seeds import normal_rows
from equipoise.generators.stylegan.network import Network
from tests.builders.stylegan2_reference import images_of
from tests.builders.stylegan3_reference import small


def moved(network: Network, turn: tuple[float, float] = (1.0, 0.0), right: float = 0.0) -> Network:
    """The same network, its filters even, with rotation and translation of its input fixed."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name, tensor in state.items():
        if name.endswith("_filter"):
            row = torch.from_numpy(np.kaiser(len(tensor), 4.0)).float()
            whole = row if tensor.ndim == 1 else torch.outer(row, row)
            tensor.copy_(whole / whole.sum())
    state["synthesis.input.affine.weight"].zero_()
    state["synthesis.input.affine.bias"] = torch.tensor([*turn, right, 0.0])
    again = Network(network.config)
    again.load_state_dict(state)
    return again


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_configuration_r_turns_with_its_input(turns: int) -> None:
    """By right angles exactly, edges included: no sample is off the middle of any layer."""
    network, z = small("R", 2), normal_rows(1, 0, 2, 12)
    angle = turns * np.pi / 2
    turned = images_of(moved(network, (float(np.cos(angle)), float(np.sin(angle)))), z)
    straight = images_of(moved(network), z)
    scale = float(straight.std())
    assert float((turned - torch.rot90(straight, turns, (2, 3))).abs().max()) < 1e-4 * scale
    assert float((turned - straight).abs().max()) > 0.5 * scale


@pytest.mark.parametrize("kind", ["T", "R"])
def test_images_move_with_their_input(kind: str) -> None:
    """By whole samples of the first layer, exactly, but near edges, which zeros have reached."""
    network, z = small(kind, 3, channels=(6, 5, 4, 3), critical=1), normal_rows(1, 0, 2, 12)
    rate = network.config.bands[0].rate
    straight, right = images_of(moved(network), z), images_of(moved(network, right=1 / rate), z)
    middle = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    expected = torch.roll(straight, network.config.resolution // rate, 3)[middle]
    change = float((right - straight)[middle].abs().max())
    assert change > 0.01
    assert float((right[middle] - expected).abs().max()) < 1e-3 * change

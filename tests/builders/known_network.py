"""A StyleGAN2 whose attributes are known: the colour of its images is linear in w.

The mapping network has one layer, and all but the bias of the last colours' layer paints nothing:
every weight between is 0 but one path, from w to the style of the last 1x1 convolution.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.core.attributes import Attribute
from equipoise.generators.stylegan.network import Network
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config

DIM = 16


def known_network() -> Network:
    """Red grows with w[0], green with w[1], blue is constant; the rest of w does nothing."""
    config = Config(32, (4,) * 4, "orig", z_dim=DIM, w_dim=DIM, mapping_layers=1, noise=False)
    torch.manual_seed(0)
    network = Network(config)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.startswith("synthesis") and not name.endswith("affine.bias"):
            tensor.zero_()
    # The last block's features are its bias; the colours' layer scales them by its style.
    state["synthesis.b32.conv1.bias"].fill_(2**-0.5)
    last = "synthesis.b32.torgb"
    state[f"{last}.affine.bias"].zero_()
    state[f"{last}.weight"][0, 0] = state[f"{last}.weight"][1, 1] = 1.0
    state[f"{last}.affine.weight"][0, 0] = state[f"{last}.affine.weight"][1, 1] = DIM**0.5
    network.load_state_dict(state)
    return network


def colours(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Red and green of each image, shape (n, 2), in [-1, 1]."""
    return (images[:, :2, 16, 16].astype(np.float32) - 128) / 127.5


class ColourClassifier:
    """Reads both colours exactly."""

    name = "colours"
    digest = "0" * 64
    attributes = (
        Attribute("red", ("low", "high"), True),
        Attribute("green", ("low", "high"), True),
    )
    caveats = ()
    pinned = ()

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        found = colours(images)
        readings = []
        for a in range(2):
            levels = (found[:, a] > self.threshold).astype(np.int8)
            one_hot = np.eye(2, dtype=np.float32)[levels]
            readings.append(Prediction(levels, one_hot, found[:, a]))
        return tuple(readings)

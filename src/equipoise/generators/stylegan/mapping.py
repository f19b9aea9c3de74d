"""The mapping network: codes of z, and classes, to codes of w."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from equipoise.generators.stylegan.linear import GAIN, SLOPE, Linear, unit_square
from equipoise.generators.stylegan.sizes import MappingSizes


class Mapping(nn.Module):
    """Fully connected layers on the scaled code, and on the scaled embedding of its class.

    Parameters
    ----------
    config : MappingSizes
    """

    w_avg: torch.Tensor

    def __init__(self, config: MappingSizes) -> None:
        super().__init__()
        inputs = config.z_dim
        self.embed: Linear | None = None
        if config.c_dim:
            self.embed = Linear(config.c_dim, config.embed_width)
            inputs += config.embed_width
        between = [config.mapping_width] * (config.mapping_layers - 1)
        widths = [inputs, *between, config.w_dim]
        for i in range(config.mapping_layers):
            self.add_module(f"fc{i}", Linear(widths[i], widths[i + 1], config.mapping_rate))
        self._depth = config.mapping_layers
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
        """Return codes of w, shape (n, w_dim).

        Parameters
        ----------
        z : torch.Tensor, shape (n, z_dim), float32
        classes : torch.Tensor, shape (n, c_dim), float32, or None
            One-hot; None for a network without classes.
        """
        x = unit_square(z)
        if self.embed is not None:
            x = torch.cat([x, unit_square(self.embed(classes))], dim=1)
        for i in range(self._depth):
            x = functional.leaky_relu_(self.get_submodule(f"fc{i}")(x), SLOPE) * GAIN
        return x

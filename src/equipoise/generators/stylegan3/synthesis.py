"""The synthesis of StyleGAN3."""

from __future__ import annotations

import torch
from torch import nn

from equipoise.generators.stylegan.noise import Noise
from equipoise.generators.stylegan3.config import Config
from equipoise.generators.stylegan3.layers import FilteredConv, FourierInput


class Synthesis(nn.Module):
    """Fourier features, then layers named by number, size and width.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input = FourierInput(config.channels[0], config.w_dim, config.bands[0])
        self._names, self._scale = [], config.output_scale
        for number, (band, width) in enumerate(zip(config.bands, config.channels, strict=True)):
            self._names.append(f"L{number}_{band.size}_{width}")
            self.add_module(self._names[-1], FilteredConv(config, number))

    def forward(self, ws: torch.Tensor, noise: Noise | None) -> torch.Tensor:
        """Return images, shape (n, 3, resolution, resolution), about [-1, 1].

        Parameters
        ----------
        ws : torch.Tensor, shape (n, styles, w_dim), float32
        noise : Noise or None
            Without meaning: these layers have none.
        """
        x: torch.Tensor = self.input(ws[:, 0])
        for name, w in zip(self._names, ws.unbind(1)[1:], strict=True):
            x = self.get_submodule(name)(x, w)
        return x * self._scale

"""Mapping and synthesis of StyleGAN2 in one."""

from __future__ import annotations

from torch import nn

from equipoise.generators.stylegan2.config import Config
from equipoise.generators.stylegan2.mapping import Mapping
from equipoise.generators.stylegan2.synthesis import Synthesis


class Network(nn.Module):
    """A StyleGAN2, in float32.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

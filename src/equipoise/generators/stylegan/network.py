"""Mapping and synthesis in one."""

from __future__ import annotations

from torch import nn

from equipoise.generators.stylegan.common import Mapping
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.generators.stylegan.stylegan2 import Synthesis
from equipoise.generators.stylegan.stylegan3 import Synthesis as AliasFreeSynthesis

AnyConfig = Config | AliasFreeConfig
"""Sizes of a StyleGAN2, or of a StyleGAN3."""


class Network(nn.Module):
    """A StyleGAN2 or 3, as its sizes say, in float32.

    Parameters
    ----------
    config : AnyConfig
    """

    def __init__(self, config: AnyConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis: Synthesis | AliasFreeSynthesis
        if isinstance(config, AliasFreeConfig):
            self.synthesis = AliasFreeSynthesis(config)
        else:
            self.synthesis = Synthesis(config)

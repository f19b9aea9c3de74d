"""Whole networks: mapping and synthesis, as modules or as what a checkpoint holds of them."""

from __future__ import annotations

import collections.abc
from dataclasses import dataclass

import torch
from torch import nn

from equipoise.generators.stylegan.common import Mapping
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.generators.stylegan.stylegan2 import Synthesis
from equipoise.generators.stylegan.stylegan3 import Synthesis as AliasFreeSynthesis

AnyConfig = Config | AliasFreeConfig
"""Sizes of a StyleGAN2 or a StyleGAN3."""


class Network(nn.Module):
    """A StyleGAN2 or 3 of given sizes, in float32, with random weights.

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


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """A StyleGAN from a file of another project.

    Attributes
    ----------
    config : AnyConfig
        Its sizes.
    state : mapping of str to torch.Tensor
        Its weights, by the names that `Network` gives them.
    """

    config: AnyConfig
    state: collections.abc.Mapping[str, torch.Tensor]

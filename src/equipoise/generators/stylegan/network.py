"""Whole networks: mapping and synthesis, as modules or as what a checkpoint holds of them."""

from __future__ import annotations

import collections.abc
from dataclasses import dataclass

import torch
from torch import nn

from equipoise.generators.stylegan.common import Mapping
from equipoise.generators.stylegan.progressive import Synthesis as ProgressiveSynthesis
from equipoise.generators.stylegan.sizes import ProgressiveConfig
from equipoise.generators.stylegan.sizes import StyleGAN2Config as Config
from equipoise.generators.stylegan.sizes import StyleGAN3Config as AliasFreeConfig
from equipoise.generators.stylegan.stylegan2 import Synthesis
from equipoise.generators.stylegan.stylegan3 import Synthesis as AliasFreeSynthesis

AnyConfig = ProgressiveConfig | Config | AliasFreeConfig
"""Sizes of a PGGAN, or a StyleGAN 1, 2 or 3."""


class Network(nn.Module):
    """A PGGAN, or a StyleGAN 1, 2 or 3, of given sizes, in float32, with random weights.

    Parameters
    ----------
    config : AnyConfig
    notes : tuple of str
        What its file did not say, and was assumed or made.
    """

    def __init__(self, config: AnyConfig, notes: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.config, self.notes = config, notes
        self.mapping = Mapping(config)
        self.synthesis: ProgressiveSynthesis | Synthesis | AliasFreeSynthesis
        if isinstance(config, AliasFreeConfig):
            self.synthesis = AliasFreeSynthesis(config)
        elif isinstance(config, ProgressiveConfig):
            self.synthesis = ProgressiveSynthesis(config)
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
        Its weights, by the names that `Network` gives them. The mean of w and the stored noise may
        be missing.
    notes : tuple of str
        What the file does not say, and was assumed or made, as sentences without full stop.
    """

    config: AnyConfig
    state: collections.abc.Mapping[str, torch.Tensor]
    notes: tuple[str, ...] = ()

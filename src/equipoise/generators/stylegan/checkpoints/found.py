"""What a foreign file held, in our terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from equipoise.generators.stylegan.network import AnyConfig


@dataclass(frozen=True, eq=False)
class LoadedCheckpoint:
    """A StyleGAN from a foreign file.

    Attributes
    ----------
    config : Config
        Its sizes.
    state : mapping of str to torch.Tensor
        Its weights, named as ours.
    """

    config: AnyConfig
    state: Mapping[str, torch.Tensor]

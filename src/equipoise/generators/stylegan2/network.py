"""Mapping and synthesis in one, built from sizes and a state."""

from __future__ import annotations

from collections.abc import Mapping as Named

import torch
from torch import nn

from equipoise.errors import FileFormatError
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


def build(config: Config, state: Named[str, torch.Tensor], where: str) -> Network:
    """Return the network of these sizes with these weights, frozen.

    Parameters
    ----------
    config : Config
    state : mapping of str to torch.Tensor
        Named as stylegan2-ada-pytorch names them, filters left out; cast to float32.
    where : str
        What errors call the state's source.

    Raises
    ------
    FileFormatError
        When a tensor is missing, left over, of another shape, or not finite.
    """
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in Network(config).state_dict().items()}
    remedy = "Give the file of a StyleGAN2 generator, or fetch it anew."
    missing, over = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or over:
        raise FileFormatError(
            where,
            "must hold the weights of these sizes, all and no others",
            f"missing {missing[:3] or 'none'}, left over {over[:3] or 'none'}",
            remedy,
        )
    for name, shape in wanted.items():
        tensor = state[name]
        if tuple(tensor.shape) != shape or not bool(torch.isfinite(tensor).all()):
            raise FileFormatError(
                f"{name} in {where}",
                f"must be finite and of shape {shape}",
                f"shape {tuple(tensor.shape)}",
                remedy,
            )
    network = Network(config)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.eval().requires_grad_(False)

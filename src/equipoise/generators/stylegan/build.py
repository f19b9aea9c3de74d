"""Networks from their sizes and a state."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from equipoise.errors import FileFormatError
from equipoise.generators.stylegan.network import AnyConfig, Network


def build(config: AnyConfig, state: Mapping[str, torch.Tensor], where: str) -> Network:
    """Return the network of these sizes with these weights, frozen.

    Parameters
    ----------
    config : AnyConfig
    state : mapping of str to torch.Tensor
        Named as the network names them; cast to float32.
    where : str
        What errors call the state's source.

    Raises
    ------
    FileFormatError
        When a tensor is missing, left over, of another shape, or not finite.
    """
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in Network(config).state_dict().items()}
    remedy = "Give the file of a StyleGAN generator, or fetch it anew."
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

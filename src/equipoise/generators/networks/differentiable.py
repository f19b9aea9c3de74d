"""Torch networks through which gradients can be followed, so that a search for codes can."""

from __future__ import annotations

import torch

from equipoise.generators.networks.description import Description
from equipoise.generators.networks.generator import NetworkGenerator
from equipoise.generators.networks.look import Network, images_of

_ON_A_SPHERE = ("normal", "spherical")
"""Priors whose codes lie near a sphere of radius sqrt(dim), on which searches keep."""


class DifferentiableNetwork(NetworkGenerator):
    """A torch network over codes of z. A `Differentiable`."""

    layers = 1

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return images in [0, 1], through which gradients can be followed."""
        out = self._network.run(codes.reshape(-1, *self._shape))
        images = images_of(out, len(codes), self.name)
        return ((images - self._low) / (self._high - self._low)).clamp(0, 1)


def torch_generator(
    network: Network,
    description: Description,
    *,
    device: str,
    batch_size: int | None,
) -> NetworkGenerator:
    """Return a torch network as a generator, a `Differentiable` where its codes lie on a sphere.

    Parameters
    ----------
    network : Network
    description, device, batch_size
        As `NetworkGenerator`; 64 codes in one call when not given.
    """
    searchable = description.space == "z" and description.prior in _ON_A_SPHERE
    kind = DifferentiableNetwork if searchable else NetworkGenerator
    return kind(network, description, device=device, batch_size=batch_size or 64)

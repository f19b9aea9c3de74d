"""Networks as generators: the adapter, and its differentiable variant for torch networks."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import ModelOutputError
from equipoise.generators.base import check_codes
from equipoise.generators.networks.description import RANGES, Description
from equipoise.generators.networks.probing import Network, images_of, probe
from equipoise.generators.priors import prior_of
from equipoise.runtimes.devices import check_device


class NetworkGenerator:
    """A network of any kind as a generator.

    Its name is its address with all options, including those found by probing.

    Parameters
    ----------
    network : Network
    description : Description
        Options that it leaves out are found by probing.
    device : str
        The device of the network's input.
    batch_size : int
        Codes per call.

    Raises
    ------
    InputError
        When the shape of the codes or the range of the output is neither given nor found.
    ModelOutputError
        When the network fails, or returns no images.

    Examples
    --------
    >>> network = Network("own:disc", lambda z: z.reshape(-1, 1, 2, 2), ((4,),), b"")
    >>> generator = NetworkGenerator(network, Description(range="-1..1"))
    >>> generator.images(np.array([[-1, 0, 1, 9]], np.float32))[0, 0].tolist()
    [[0, 128], [255, 255]]
    """

    pinned = ()

    def __init__(
        self,
        network: Network,
        description: Description,
        *,
        device: str = "cpu",
        batch_size: int = 64,
    ) -> None:
        self._device, self._network = check_device(device), network
        with torch.inference_mode():
            options = probe(network, description, self._device)
        self._shape = options.code_shape
        self._low, self._high = RANGES[options.range]
        self.name, self.space = f"{network.name}?{options.query}", options.space
        self.device, self.batch_size = device, batch_size
        self.digest = hashlib.sha256(options.query.encode() + b"\0" + network.content).hexdigest()
        self.dim = int(np.prod(self._shape))
        self.prior = prior_of(options.prior, self.dim)
        # Two, since one alone fails in training mode, which `check_neighbours` explains.
        _, channels, height, width = self.images(self.prior.codes(0, 0, 2)).shape
        self.image_shape = (channels, height, width)
        self.stem(self.prior.codes(0, 0, 2))

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features of the stem, float32; the codes themselves where none is named.

        Shape (n, features) or (n, channels, height, width).

        Raises
        ------
        ModelOutputError
            When the features have another shape.
        """
        codes = check_codes(codes, self.dim)
        if self._network.stem is None:
            return codes
        with torch.inference_mode():
            out = self._network.stem(self._rows(codes))
        if not isinstance(out, torch.Tensor) or out.ndim not in (2, 4) or len(out) != len(codes):
            raise ModelOutputError(
                f"stem of generator {self.name!r}",
                "must return (n, features) or (n, channels, height, width)",
                tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__,
                "Name another part, or none.",
            )
        return np.asarray(out.float().cpu().numpy(), np.float32)

    def images(self, codes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return images, shape (n, 3, height, width), uint8 RGB.

        The range of the network's output is scaled to [0, 255]; values outside are clipped.
        """
        rows = self._rows(check_codes(codes, self.dim))
        with torch.inference_mode():
            out = images_of(self._network.run(rows), len(rows), self.name)
            scaled = (out - self._low) * (255 / (self._high - self._low))
            pixels = scaled.round_().clamp_(0, 255).to(torch.uint8)
        images: NDArray[np.uint8] = pixels.contiguous().cpu().numpy()
        return images

    def _rows(self, codes: NDArray[np.float32]) -> torch.Tensor:
        # A copy, because a network may write to its input.
        return torch.from_numpy(codes.copy()).to(self._device).reshape(-1, *self._shape)


_ON_A_SPHERE = ("normal", "spherical")
"""Priors whose codes lie near the sphere of radius sqrt(dim), which searches do not leave."""


class DifferentiableNetwork(NetworkGenerator):
    """A torch network over codes of z. A `Differentiable`."""

    def pixels(self, codes: torch.Tensor) -> torch.Tensor:
        """Return differentiable images in [0, 1]; see `Differentiable`."""
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
    """Return a torch network as a generator; a `Differentiable` where its codes lie on a sphere.

    Parameters
    ----------
    network : Network
    description, device, batch_size
        As for `NetworkGenerator`; 64 codes per call by default.
    """
    searchable = description.space == "z" and description.prior in _ON_A_SPHERE
    kind = DifferentiableNetwork if searchable else NetworkGenerator
    return kind(network, description, device=device, batch_size=batch_size or 64)

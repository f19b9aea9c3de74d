"""A network whose output is a descriptor of a face."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.local.description import DescriptorDescription
from equipoise.classifiers.local.network import Network, PreparedNetwork


class NetworkDescriber:
    """Describes faces in one forward pass.

    Parameters
    ----------
    description : DescriptorDescription
    network : Network
    content : bytes
        Of the model file; the digest is made of it and of the description.
    """

    def __init__(
        self, description: DescriptorDescription, network: Network, content: bytes
    ) -> None:
        model = description.model
        self.name, self.caveats, self.licence = model.name, model.caveats, model.licence
        self.preprocessing = str(model.input)
        self._network = PreparedNetwork(
            f"model of descriptors {model.name!r}",
            network,
            model.input,
            [("the descriptor", description.output)],
        )
        meaning = repr((model.kind, dataclasses.astuple(model.input), description.output))
        digest = hashlib.sha256(hashlib.sha256(content).digest())
        digest.update(meaning.encode())
        self.digest = digest.hexdigest()

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Return the output as it is, shape (n, d).

        Raises
        ------
        ModelOutputError
            When the network fails on this input, or has fewer outputs or rows.
        """
        (found,) = self._network.run(images)
        return np.asarray(found)

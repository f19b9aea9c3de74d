"""A classifier that consists of a network, its preprocessing, and the meaning of its outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.classifiers.local.network import Network, PreparedNetwork
from equipoise.classifiers.network_io import OutputReading, activation_fault, read_output


class NetworkClassifier:
    """Predicts all attributes of a network in one forward pass.

    Parameters
    ----------
    name : str
    network : Network
    prepared : callable
        Makes the network's input of images, shape (n, 3, height, width), uint8. Its `str` is shown
        in reports.
    outputs : tuple of OutputReading
        How outputs become predictions, one for each attribute.
    identity : iterable of bytes
        All that determines the predictions; the digest is made of it.
    caveats : tuple of str
    licence : str
        Licence of the weights; empty where it is not known.

    Raises
    ------
    InputError
        When the network has no output of a given name.
    """

    pinned = ()

    def __init__(
        self,
        name: str,
        network: Network,
        prepared: Callable[[NDArray[np.uint8]], Any],
        outputs: tuple[OutputReading, ...],
        identity: Iterable[bytes],
        *,
        caveats: tuple[str, ...] = (),
        licence: str = "",
    ) -> None:
        self.name, self.caveats, self.licence = name, caveats, licence
        self.preprocessing = str(prepared)
        self._outputs = outputs
        self.attributes = tuple(output.attribute for output in outputs)
        read = [(f"attribute {one.attribute.name!r}", one.output) for one in outputs]
        self._network = PreparedNetwork(f"classifier {name!r}", network, prepared, read)
        digest = hashlib.sha256()
        for part in identity:
            digest.update(hashlib.sha256(part).digest())
        self.digest = digest.hexdigest()

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions.

        Raises
        ------
        ModelOutputError
            When the network fails on this input, or has fewer outputs or columns than described.
        """
        found = self._network.run(images)
        return tuple(map(read_output, found, self._outputs))

    def activation_faults(self, images: NDArray[np.uint8]) -> tuple[str, ...]:
        """Return, for each attribute, what `activation_fault` finds on at least 8 images.

        Raises
        ------
        ModelOutputError
            As `predict`.
        """
        found = self._network.run(images)
        return tuple(map(activation_fault, found, self._outputs))

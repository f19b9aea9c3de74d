"""A classifier made of a network, what it is fed, and what its outputs mean."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Reading
from equipoise.classifiers.local.networks import Network
from equipoise.classifiers.network_input import NetworkInput, prepare
from equipoise.classifiers.network_output import OutputReading, read_output
from equipoise.errors import InputError, ModelOutputError
from equipoise.model_files import first_line


class NetworkClassifier:
    """Runs a network once for all its attributes.

    Parameters
    ----------
    name : str
    network : Network
    fed : NetworkInput
    outputs : tuple of OutputReading
    identity : iterable of bytes
        All that decides the answers; goes into the digest.
    caveats : tuple of str
    licence : str
        Of the weights; empty where it is not known.

    Raises
    ------
    InputError
        When an output is named that the network lacks.
    """

    pinned = ()

    def __init__(
        self,
        name: str,
        network: Network,
        fed: NetworkInput,
        outputs: tuple[OutputReading, ...],
        identity: Iterable[bytes],
        *,
        caveats: tuple[str, ...] = (),
        licence: str = "",
    ) -> None:
        self.name, self.caveats, self.licence = name, caveats, licence
        self.preprocessing = str(fed)
        self._network, self._fed, self._outputs = network, fed, outputs
        self.attributes = tuple(output.attribute for output in outputs)
        self._places = [_place(network, output) for output in outputs]
        digest = hashlib.sha256()
        for part in identity:
            digest.update(hashlib.sha256(part).digest())
        self.digest = digest.hexdigest()

    def read(self, images: NDArray[np.uint8]) -> tuple[Reading, ...]:
        """Return the answers.

        Raises
        ------
        ModelOutputError
            When the network fails on such an input, or gives fewer outputs or columns than the
            description counts.
        """
        pixels = prepare(images, self._fed)
        try:
            outputs: list[NDArray[Any]] = self._network.run(pixels)
        except Exception as error:
            raise ModelOutputError(
                f"classifier {self.name!r}",
                f"must take {pixels.dtype} of shape {pixels.shape}",
                first_line(error),
                "Correct the input part of its description, or export it with a free batch size.",
            ) from error
        for place in self._places:
            if place >= len(outputs) or len(outputs[place]) != len(images):
                raise ModelOutputError(
                    f"output {place} of classifier {self.name!r}",
                    f"must have {len(images)} rows, one an image",
                    [output.shape for output in outputs],
                    "Correct the output's number, or export the model with a free batch size.",
                )
        return tuple(
            read_output(outputs[place], output)
            for place, output in zip(self._places, self._outputs, strict=True)
        )


def _place(network: Network, output: OutputReading) -> int:
    """Return the number of an output."""
    if isinstance(output.output, int):
        return output.output
    if output.output not in network.names:
        raise InputError(
            f"output of attribute {output.attribute.name!r}",
            f"must be a number, or one of {', '.join(network.names) or 'no names'}",
            output.output,
            "Correct it.",
        )
    return network.names.index(output.output)

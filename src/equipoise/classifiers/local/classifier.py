"""A classifier made of a network, what it is fed, and what its outputs mean.

The kinds of network file, each behind `run`: pixels in, all outputs out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.classifiers.network_io import NetworkInput, OutputReading, prepare, read_output
from equipoise.core.errors import InputError, ModelOutputError
from equipoise.runtimes.onnx import open_session
from equipoise.runtimes.tflite import TfliteNetwork
from equipoise.runtimes.torchscript import first_line, load_torchscript


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

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
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


KINDS = ("onnx", "torchscript", "tflite")


class Network(Protocol):
    """A network of one input; calls may come from several threads.

    Attributes
    ----------
    names : tuple of str
        Of the outputs; empty where a file has no names.
    """

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs, each of n rows."""
        ...


class OnnxNetwork:
    """A network that ONNX Runtime runs; one that takes a single image is called once an image."""

    def __init__(self, path: Path, input_name: str) -> None:
        self._session = open_session(path)
        places = {place.name: place for place in self._session.get_inputs()}
        if input_name and input_name not in places:
            raise InputError(
                "field input.name",
                f"must be one of {', '.join(places)}",
                input_name,
                "Correct it.",
            )
        self._input = places[input_name] if input_name else next(iter(places.values()))
        self.names = tuple(place.name for place in self._session.get_outputs())

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs."""
        rows = 1 if self._input.shape[0] == 1 else max(len(pixels), 1)
        parts = [
            self._session.run(None, {self._input.name: pixels[i : i + rows]})
            for i in range(0, len(pixels), rows)
        ]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


class TorchNetwork:
    """A function of one tensor that answers with a tensor, or with several in a row or a dict."""

    def __init__(self, network: Callable[[torch.Tensor], Any]) -> None:
        self._network = network
        self.names = ()

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs; those of a dict in its order."""
        with torch.inference_mode():
            found = self._network(torch.from_numpy(pixels))
        if isinstance(found, dict):
            found = list(found.values())
        outputs = found if isinstance(found, list | tuple) else [found]
        return [output.float().cpu().numpy() for output in outputs]


def open_network(kind: str, path: Path, content: bytes, input_name: str) -> Network:
    """Return the network in a file.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    path : Path
    content : bytes
        Of the file.
    input_name : str
        ONNX: the input that takes the image; empty for the first.

    Raises
    ------
    FileFormatError
        When the file is damaged or of another kind.
    """
    if kind == "onnx":
        return OnnxNetwork(path, input_name)
    if kind == "tflite":
        return TfliteNetwork(content, str(path))
    return TorchNetwork(load_torchscript(path, content))

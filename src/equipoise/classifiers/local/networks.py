"""The kinds of network file, each behind `run`: pixels in, all outputs out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.onnx_session import open_session
from equipoise.classifiers.tflite import TfliteNetwork
from equipoise.errors import InputError
from equipoise.model_files import load_torchscript

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
                "field input.name", f"must be one of {', '.join(places)}", input_name, "Correct it."
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

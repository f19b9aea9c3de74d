"""Networks in model files: pixels in, all outputs out, whatever the format.

`PreparedNetwork` makes their input of images, and checks what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.errors import DeviceMemoryError, InputError, ModelOutputError
from equipoise.core.reasons import reason_of
from equipoise.runtimes.devices import check_device, within_memory
from equipoise.runtimes.network_batches import NamedColumns
from equipoise.runtimes.onnx import OnnxNetwork
from equipoise.runtimes.tflite import TfliteNetwork
from equipoise.runtimes.torchscript import load_torchscript

KINDS = ("onnx", "torchscript", "tflite")
"""Formats of model files."""


class Network(Protocol):
    """A network with one input; several threads may call it at once.

    Attributes
    ----------
    names : tuple of str
        Names of the outputs; empty where the format has none.
    """

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    def run(self, pixels: Any) -> Sequence[NDArray[Any] | NamedColumns]:
        """Return all outputs, each of n rows."""
        ...


class TorchNetwork:
    """A function of one tensor that returns tensors: one, or several in lists, tuples and dicts.

    Parameters
    ----------
    name : str
        Names it in messages.
    network : callable
        Computes on `device`.
    device : str
    """

    def __init__(
        self, name: str, network: Callable[[torch.Tensor], Any], device: str = "cpu"
    ) -> None:
        self._name, self._network, self._device = name, network, device
        self.names = ()

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all tensors, those within others in the order in which they are written."""
        return within_memory(self._name, self._device, self._outputs, pixels)

    def _outputs(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        with torch.inference_mode():
            found = list(_tensors(self._network(torch.from_numpy(pixels).to(self._device))))
        return [output.float().cpu().numpy() for output in found]


def _tensors(found: Any) -> Iterator[torch.Tensor]:
    if isinstance(found, torch.Tensor):
        yield found
    elif isinstance(found, dict):
        yield from _tensors(list(found.values()))
    elif isinstance(found, list | tuple):
        for part in found:
            yield from _tensors(part)


def open_network(
    kind: str, path: Path, content: bytes, input_name: str, *, device: str = "cpu"
) -> Network:
    """Open the network in a model file.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    path : Path
    content : bytes
        The file's content.
    input_name : str
        ONNX: name of the input for images; empty for the first.
    device : str
        Where torch and ONNX compute.

    Raises
    ------
    InputError
        When this machine has no such device.
    FileFormatError
        When the file is damaged or of another format.
    """
    if kind == "onnx":
        return OnnxNetwork(path, input_name, device)
    if kind == "tflite":
        return TfliteNetwork(content, str(path))
    # Images are float32, whatever precision the weights were saved in.
    network = load_torchscript(path, content, check_device(device)).float()
    return TorchNetwork(str(path), network, device)


class PreparedNetwork:
    """A network with its preprocessing, of which some outputs are read.

    Parameters
    ----------
    name : str
        "classifier 'name'": names it in messages.
    network : Network
    prepared : callable
        Makes the network's input of images, shape (n, 3, height, width), uint8.
    outputs : mapping of str to int or str
        Numbers or names of the outputs, by what reads them.

    Raises
    ------
    InputError
        When the network has no output of a given name.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        prepared: Callable[[NDArray[np.uint8]], Any],
        outputs: Sequence[tuple[str, int | str]],
    ) -> None:
        self._name, self._network, self._prepared = name, network, prepared
        self._places = [_place(network, reader, output) for reader, output in outputs]

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[Any] | NamedColumns]:
        """Return the outputs that are read, each of a row for each image.

        Raises
        ------
        ModelOutputError
            When the network fails on this input, or has fewer outputs or rows.
        """
        inputs: Any = None
        try:
            inputs = self._prepared(images)
            outputs = self._network.run(inputs)
        except DeviceMemoryError:
            raise
        except Exception as error:
            raise ModelOutputError(
                self._name,
                f"must take {inputs.dtype} of shape {inputs.shape}"
                if isinstance(inputs, np.ndarray)
                else f"must take images of shape {images.shape}",
                reason_of(error),
                "Correct [input] in its description, or export the model again.",
            ) from error
        for place in self._places:
            if place >= len(outputs) or _rows(outputs[place]) != len(images):
                raise ModelOutputError(
                    f"output {place} of {self._name}",
                    f"must have {len(images)} rows, one per image",
                    [output.shape for output in outputs],
                    "Correct the number of the output, or export the model for any batch size.",
                )
        return [outputs[place] for place in self._places]


def _rows(output: NDArray[Any] | NamedColumns) -> int:
    return output.shape[0] if output.shape else 0


def _place(network: Network, reader: str, output: int | str) -> int:
    """Return the number of an output that is given by number or name."""
    if isinstance(output, int):
        return output
    if output not in network.names:
        raise InputError(
            f"output of {reader}",
            f"must be a number, or one of {', '.join(network.names) or 'no names'}",
            output,
            "Correct it.",
        )
    return network.names.index(output)

"""A classifier that consists of a network, its preprocessing, and the meaning of its outputs.

Networks of every file format have one method, `run`: pixels in, all outputs out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction
from equipoise.classifiers.network_io import OutputReading, activation_fault, read_output
from equipoise.core.errors import DeviceMemoryError, InputError, ModelOutputError
from equipoise.core.reasons import reason_of
from equipoise.runtimes.devices import check_device, within_memory
from equipoise.runtimes.network_batches import NamedColumns
from equipoise.runtimes.onnx import OnnxNetwork
from equipoise.runtimes.tflite import TfliteNetwork
from equipoise.runtimes.torchscript import load_torchscript


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
        self._network, self._prepared, self._outputs = network, prepared, outputs
        self.attributes = tuple(output.attribute for output in outputs)
        self._places = [_place(network, output) for output in outputs]
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
        outputs = self._run(images)
        return tuple(
            read_output(outputs[place], output)
            for place, output in zip(self._places, self._outputs, strict=True)
        )

    def activation_faults(self, images: NDArray[np.uint8]) -> tuple[str, ...]:
        """Return, for each attribute, what `activation_fault` finds on at least 8 images.

        Raises
        ------
        ModelOutputError
            As `predict`.
        """
        outputs = self._run(images)
        return tuple(
            activation_fault(outputs[place], output)
            for place, output in zip(self._places, self._outputs, strict=True)
        )

    def _run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[Any] | NamedColumns]:
        """Return the network's outputs, after checking that each has a row for each image."""
        inputs: Any = None
        try:
            inputs = self._prepared(images)
            outputs = self._network.run(inputs)
        except DeviceMemoryError:
            raise
        except Exception as error:
            raise ModelOutputError(
                f"classifier {self.name!r}",
                f"must take {inputs.dtype} of shape {inputs.shape}"
                if isinstance(inputs, np.ndarray)
                else f"must take images of shape {images.shape}",
                reason_of(error),
                "Correct [input] in its description, or export the model again.",
            ) from error
        for place in self._places:
            if place >= len(outputs) or _rows(outputs[place]) != len(images):
                raise ModelOutputError(
                    f"output {place} of classifier {self.name!r}",
                    f"must have {len(images)} rows, one per image",
                    [output.shape for output in outputs],
                    "Correct the number of the output, or export the model for any batch size.",
                )
        return outputs


def _rows(output: NDArray[Any] | NamedColumns) -> int:
    return output.shape[0] if output.shape else 0


def _place(network: Network, output: OutputReading) -> int:
    """Return the number of an output that is given by number or name."""
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

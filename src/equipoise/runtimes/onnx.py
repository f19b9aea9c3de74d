"""ONNX Runtime sessions: one thread per call, and several calls in parallel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from equipoise.core.devices import device_type
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.reasons import reason_of
from equipoise.runtimes.network_batches import AnyRows, NamedColumns

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_OUTSIDE = b"\x0a\x08location\x12"
"""Bytes by which a tensor refers to another file: the key "location" of its external data."""


def open_session(path: Path, *, inner: str | None = None, device: str = "cpu") -> Any:
    """Return an inference session.

    Parameters
    ----------
    path : Path
    inner : str, optional
        Name of a tensor within the graph that the session returns as well.
    device : str
        "cuda" and "cuda:1" are used where this build of ONNX Runtime can (`computes_on`), and the
        CPU otherwise.

    Raises
    ------
    FileFormatError
        When the file is not a whole ONNX model, stores weights in another file, or has no tensor
        `inner`.
    """
    options = onnxruntime.SessionOptions()
    # Worker threads run whole batches in parallel, which is faster than splitting each layer.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    model = path.read_bytes()
    if _OUTSIDE in model:
        raise FileFormatError(
            f"model file {path}",
            "must contain its weights, so that its digest covers them",
            "tensors in another file",
            "Save it as one file, as onnx.save(onnx.load(path), new_path) does.",
        )
    if inner is not None:
        model = with_output(model, inner)
    try:
        return onnxruntime.InferenceSession(model, options, providers=_providers(device))
    except Exception as error:
        text = str(error)
        newer = "IR version" in text or "opset" in text.lower()
        rule = f"must be a whole ONNX model that ONNX Runtime {onnxruntime.__version__} reads"
        raise FileFormatError(
            f"model file {path}",
            rule + (f", with a tensor {inner!r}" if inner else ""),
            reason_of(error),
            "Update onnxruntime, or export the model for an older opset and IR version."
            if newer
            else "Download or export it again.",
        ) from error


def computes_on(device: str) -> bool:
    """Return whether this build of ONNX Runtime computes on a device: `onnxruntime-gpu` on CUDA."""
    kind = device_type(device)
    return kind == "cpu" or (kind == "cuda" and _CUDA in onnxruntime.get_available_providers())


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu" or not computes_on(device):
        return [_CPU]
    return [(_CUDA, {"device_id": device.partition(":")[2] or "0"}), _CPU]


class OnnxNetwork:
    """A network of images run by ONNX Runtime, for any number of them.

    Where the file fixes the number, batches are filled up (`AnyRows`).

    Parameters
    ----------
    path : Path
    input_name : str
        Name of the input for images; empty for the first.
    device : str

    Attributes
    ----------
    names : tuple of str
        Names of the outputs.
    has_named_columns : bool
        Whether an output is `NamedColumns`.

    Raises
    ------
    InputError
        When there is no such input.
    FileFormatError
        As `open_session`.
    """

    def __init__(self, path: Path, input_name: str, device: str = "cpu") -> None:
        self._session = open_session(path, device=device)
        places = {place.name: place for place in self._session.get_inputs()}
        if input_name and input_name not in places:
            raise InputError(
                "field input.name",
                f"must be one of {', '.join(places)}",
                input_name,
                "Correct it.",
            )
        self._input = places[input_name] if input_name else next(iter(places.values()))
        rows = self._input.shape[0] if self._input.shape else None
        self._any_rows = AnyRows(self._call, rows if isinstance(rows, int) and rows > 0 else None)
        outputs = self._session.get_outputs()
        self.names = tuple(place.name for place in outputs)
        self.has_named_columns = any("map(string" in place.type for place in outputs)

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any] | NamedColumns]:
        """Return all outputs: floats as float32, maps from labels as `NamedColumns`.

        Raises
        ------
        Exception
            When the network fails; that of ONNX Runtime, or ValueError for a wrong shape or type.
        """
        return [_columns(output) for output in self._any_rows(self._fitting(pixels))]

    def _call(self, pixels: NDArray[Any]) -> list[Any]:
        found: list[Any] = self._session.run(None, {self._input.name: pixels})
        return found

    def _fitting(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the pixels in the type of the input, after checking type and shape."""
        sizes = self._input.shape[1:]
        fixed = [
            a == b or not isinstance(b, int) for a, b in zip(pixels.shape[1:], sizes, strict=False)
        ]
        if self._input.shape and (len(sizes) != pixels.ndim - 1 or not all(fixed)):
            raise ValueError(f"an input {self._input.name!r} of shape {self._input.shape}")
        wanted = _TYPES.get(self._input.type)
        if wanted is None or (pixels.dtype == np.uint8) != (wanted == np.uint8):
            raise ValueError(f"an input {self._input.name!r} of type {self._input.type}")
        return pixels.astype(wanted, copy=False)


_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""Types of an input that images may have."""


def _columns(output: Any) -> NDArray[Any] | NamedColumns:
    """Return an output as an array; a list of maps, as ZipMap writes it, as columns by key."""
    if isinstance(output, np.ndarray):
        return output.astype(np.float32) if output.dtype.kind == "f" else output
    if isinstance(output, list) and output and all(isinstance(row, dict) for row in output):
        keys = sorted(output[0])
        values = np.array([[row[key] for key in keys] for row in output], np.float32)
        if all(isinstance(key, str) for key in keys):
            return NamedColumns(tuple(keys), values)
        return values
    return np.asarray(output)


def with_output(model: bytes, tensor: str) -> bytes:
    """Return an ONNX model with one more output: a tensor of its graph, by name.

    A message appended to a serialised protocol buffer is merged into it, and repeated fields are
    concatenated (protobuf encoding guide, "Last One Wins"). So a `ModelProto` (onnx.proto) that
    has only `graph.output[0].name` adds one output when it is appended. The rest is unchanged.

    Parameters
    ----------
    model : bytes
        The file's content.
    tensor : str
    """
    value = _field(1, tensor.encode())
    return model + _field(7, _field(12, value))


def _field(number: int, content: bytes) -> bytes:
    """Encode a protocol buffer's field of bytes; the field's number is under 16."""
    length, rest = [], len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content

"""ONNX Runtime sessions as Equipoise runs them: one thread a call, many calls at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from equipoise.core.errors import FileFormatError

_OUTSIDE = b"\x0a\x08location\x12"
"""How a tensor names a file of its own: key "location" of `TensorProto.external_data`."""


def open_session(path: Path, *, inner: str | None = None) -> Any:
    """Return an inference session; a GPU is used where this build of ONNX Runtime has one.

    Parameters
    ----------
    path : Path
    inner : str, optional
        A tensor within the graph that the session is to give as well.

    Raises
    ------
    FileFormatError
        When the file is not a whole ONNX model, keeps weights elsewhere, or has no tensor `inner`.
    """
    options = onnxruntime.SessionOptions()
    # Worker threads run whole batches side by side, which beats splitting each layer.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    model = path.read_bytes()
    if _OUTSIDE in model:
        raise FileFormatError(
            f"model file {path}",
            "must hold its weights itself, so that its digest names them",
            "tensors that lie in another file",
            "Save it as one file, as onnx.save(onnx.load(path), new_path) does.",
        )
    if inner is not None:
        model = with_output(model, inner)
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:
        raise FileFormatError(
            f"model file {path}",
            "must be a whole ONNX model" + (f" with a tensor {inner!r}" if inner else ""),
            str(error).splitlines()[0],
            "Fetch or export it anew.",
        ) from error


def with_output(model: bytes, tensor: str) -> bytes:
    """Return an ONNX model that also gives a tensor of its graph, by name.

    A message appended to a serialised protocol buffer is merged into it, and repeated fields add
    up (protobuf encoding guide, "Last One Wins"). So the outputs grow by one when a `ModelProto`
    (onnx.proto) with nothing but `graph.output[0].name` is appended; the model itself is untouched.
    """
    value = _field(1, tensor.encode())
    return model + _field(7, _field(12, value))


def _field(number: int, content: bytes) -> bytes:
    """Encode a field of bytes; the number is under 16."""
    length, rest = [], len(content)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + content

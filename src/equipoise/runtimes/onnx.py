"""ONNX Runtime sessions: one thread per call, and several calls in parallel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from equipoise.core.errors import FileFormatError

_OUTSIDE = b"\x0a\x08location\x12"
"""Bytes by which a tensor refers to another file: the key "location" of its external data."""


def open_session(path: Path, *, inner: str | None = None) -> Any:
    """Return an inference session; it uses a GPU where this build of ONNX Runtime supports one.

    Parameters
    ----------
    path : Path
    inner : str, optional
        Name of a tensor within the graph that the session returns as well.

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
        return onnxruntime.InferenceSession(
            model, options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:
        raise FileFormatError(
            f"model file {path}",
            "must be a whole ONNX model" + (f" with a tensor {inner!r}" if inner else ""),
            str(error).splitlines()[0],
            "Download or export it again.",
        ) from error


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

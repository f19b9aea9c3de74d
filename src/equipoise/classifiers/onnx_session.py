"""ONNX Runtime sessions as Equipoise runs them: one thread a call, many calls at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from equipoise.errors import FileFormatError


def open_session(path: Path) -> Any:
    """Return an inference session; a GPU is used where this build of ONNX Runtime has one.

    Raises
    ------
    FileFormatError
        When the file is not a whole ONNX model.
    """
    options = onnxruntime.SessionOptions()
    # Worker threads run whole batches side by side, which beats splitting each layer.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            path, options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:
        raise FileFormatError(
            f"model file {path}",
            "must be a whole ONNX model",
            str(error).splitlines()[0],
            "Fetch or export it anew.",
        ) from error

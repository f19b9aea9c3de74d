"""TFLite networks, by LiteRT: one interpreter per thread, for any batch size."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import FileFormatError
from equipoise.core.plugins import load_library
from equipoise.core.reasons import reason_of
from equipoise.runtimes.network_batches import AnyRows


class TfliteNetwork:
    """A network with one input.

    Parameters
    ----------
    content : bytes
        The file's content.
    where : str
        Name of the file in errors.

    Attributes
    ----------
    names : tuple of str
        Names of the outputs.

    Raises
    ------
    FileFormatError
        When the content is not a whole TFLite file.
    InputError
        When LiteRT is not installed: there is no build of it for some machines.
    """

    def __init__(self, content: bytes, where: str) -> None:
        library = "ai_edge_litert.interpreter"
        remedy = "Run `pip install ai-edge-litert`, or use a classifier in ONNX."
        self._library = load_library(f"model file {where}", library, remedy)
        self._content, self._where = content, where
        self._local = threading.local()
        interpreter = self._interpreter()
        self.names = tuple(str(d["name"]) for d in interpreter.get_output_details())
        shape = interpreter.get_input_details()[0]["shape"]
        self._any_rows = AnyRows(self._call, fallback=max(int(shape[0]), 1) if len(shape) else 1)

    def _interpreter(self) -> Any:
        """Return this thread's interpreter."""
        if not hasattr(self._local, "interpreter"):
            try:
                self._local.interpreter = self._library.Interpreter(
                    model_content=self._content, num_threads=1
                )
            except (RuntimeError, ValueError) as error:
                raise FileFormatError(
                    f"model file {self._where}",
                    "must be a whole TFLite file, of operators that LiteRT knows",
                    reason_of(error),
                    "Export the model again.",
                ) from error
            self._local.shape = None
        return self._local.interpreter

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs for an input batch.

        Inputs are quantised, and quantised outputs converted to float32, by the scale and the zero
        point in the file.

        Raises
        ------
        Exception
            When the network fails.
        """
        return self._any_rows(pixels)

    def _call(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        interpreter = self._interpreter()
        try:
            details = interpreter.get_input_details()[0]
            if self._local.shape != pixels.shape:
                interpreter.resize_tensor_input(details["index"], pixels.shape)
                interpreter.allocate_tensors()
                self._local.shape = pixels.shape
            interpreter.set_tensor(details["index"], _quantised(pixels, details))
            interpreter.invoke()
        except Exception:
            # A failed interpreter stays in a state of its own.
            del self._local.interpreter
            raise
        return [
            _real(interpreter.get_tensor(details["index"]), details)
            for details in interpreter.get_output_details()
        ]


def _quantised(pixels: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    """Return real values in the type of an input: q = round(value / scale) + zero point."""
    wanted = np.dtype(details["dtype"])
    scale, zero = details["quantization"]
    if pixels.dtype == wanted:
        return pixels
    if wanted.kind == "f" and pixels.dtype.kind == "f":
        return pixels.astype(wanted)
    if wanted.kind not in "iu" or not scale or pixels.dtype.kind != "f":
        raise ValueError(f"an input of type {wanted}, scale {scale:g}")
    limits = np.iinfo(wanted)
    return np.asarray((np.rint(pixels / scale) + zero).clip(limits.min, limits.max), wanted)


def _real(values: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    """Return the real values of an output: (q - zero point) * scale."""
    scale, zero = details["quantization"]
    if not scale or values.dtype.kind not in "iu":
        return values
    real: NDArray[np.float32] = (values.astype(np.float32) - zero) * np.float32(scale)
    return real

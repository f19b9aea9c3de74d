"""TFLite networks, by LiteRT: one interpreter per thread, for any batch size."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import FileFormatError
from equipoise.runtimes.torchscript import first_line


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
    """

    def __init__(self, content: bytes, where: str) -> None:
        self._content, self._where = content, where
        self._local = threading.local()
        self.names = tuple(str(d["name"]) for d in self._interpreter().get_output_details())

    def _interpreter(self) -> Any:
        """Return this thread's interpreter."""
        from ai_edge_litert.interpreter import Interpreter

        if not hasattr(self._local, "interpreter"):
            try:
                self._local.interpreter = Interpreter(model_content=self._content, num_threads=1)
            except (RuntimeError, ValueError) as error:
                raise FileFormatError(
                    f"model file {self._where}",
                    "must be a whole TFLite file",
                    first_line(error),
                    "Export the model again.",
                ) from error
            self._local.shape = None
        return self._local.interpreter

    def run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs for an input batch; quantised outputs are converted to float32."""
        interpreter = self._interpreter()
        index = interpreter.get_input_details()[0]["index"]
        if self._local.shape != pixels.shape:
            interpreter.resize_tensor_input(index, pixels.shape)
            interpreter.allocate_tensors()
            self._local.shape = pixels.shape
        interpreter.set_tensor(index, pixels)
        interpreter.invoke()
        outputs = []
        for details in interpreter.get_output_details():
            values = interpreter.get_tensor(details["index"])
            scale, zero = details["quantization"]
            quantised = scale and values.dtype.kind in "iu"
            outputs.append((values.astype(np.float32) - zero) * scale if quantised else values)
        return outputs

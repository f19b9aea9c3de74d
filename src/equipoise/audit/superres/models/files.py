"""Super-resolution models in files: ONNX, and TorchScript.

Both take float32 images in [0, 1], shape (n, 3, height, width), and give the same, larger.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.audit.superres.models.bicubic import to_bytes
from equipoise.core.errors import ModelOutputError
from equipoise.runtimes.torchscript import first_line, load_torchscript, read_model

_REMEDY = "Export the model again."


class _Network(Protocol):
    """Float images in, float images out; both in [0, 1]."""

    def __call__(self, low: torch.Tensor) -> object: ...


class FileRestorer:
    """A network in a file, whose answer is the same for the same image.

    Parameters
    ----------
    path : Path
        .onnx, or .pt of `torch.jit.save`. No Python code of either is run; the operators of a
        TorchScript file are, so open none that you do not trust.
    factor : int

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, or holds something else.
    """

    deterministic = True
    caveats = ()
    pinned = ()

    def __init__(self, path: Path, factor: int) -> None:
        content = read_model(path)
        self._run: _Network = (
            _onnx(path) if path.suffix == ".onnx" else load_torchscript(path, content)
        )
        self.name = path.stem
        self.factor = factor
        self.digest = hashlib.sha256(content + str(factor).encode()).hexdigest()

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return what the network gives, cut to [0, 1]; seed and index play no part.

        Raises
        ------
        ModelOutputError
            When it fails on such images, or gives no finite image tensor.
        """
        try:
            with torch.inference_mode():
                found = self._run(torch.from_numpy(low).float() / 255)
        except Exception as error:
            raise ModelOutputError(
                f"super-resolution model {self.name!r}",
                f"must take float32 images of shape {low.shape}",
                first_line(error),
                "Export it with one image input whose number and size are free.",
            ) from error
        if (
            not isinstance(found, torch.Tensor)
            or found.ndim != 4
            or not bool(torch.isfinite(found).all())
        ):
            raise ModelOutputError(
                f"answer of super-resolution model {self.name!r}",
                "must be a tensor of finite images, shape (n, 3, height, width)",
                tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__,
                _REMEDY,
            )
        return to_bytes(found.float().mul(255))


def _onnx(path: Path) -> _Network:
    from equipoise.runtimes.onnx import open_session

    session = open_session(path)
    name = session.get_inputs()[0].name

    def run(low: torch.Tensor) -> object:
        return torch.from_numpy(session.run(None, {name: low.numpy()})[0])

    return run

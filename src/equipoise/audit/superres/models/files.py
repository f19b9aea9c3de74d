"""Super-resolution models in ONNX and TorchScript files.

Both take float32 images in [0, 1], shape (n, 3, height, width), and return larger ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.audit.superres.models.bicubic import to_bytes
from equipoise.classifiers.local.network import open_network
from equipoise.core.errors import ModelOutputError
from equipoise.core.reasons import reason_of
from equipoise.runtimes.torchscript import read_model


class FileRestorer:
    """A deterministic network in a file.

    Parameters
    ----------
    path : Path
        An .onnx file, or a .pt file of `torch.jit.save`. No Python code of either is run, but the
        operators of a TorchScript file are. Open only files that you trust.
    factor : int
        Restored pixels per low-resolution pixel, in each direction.

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
        kind = "onnx" if path.suffix == ".onnx" else "torchscript"
        self._network = open_network(kind, path, content, "")
        self.name = path.stem
        self.factor = factor
        self.digest = hashlib.sha256(content + str(factor).encode()).hexdigest()

    def restore(
        self, low: NDArray[np.uint8], seed: int, index: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the network's first output, clipped to [0, 1]; seed and index are not used.

        Raises
        ------
        ModelOutputError
            When the network fails on these images, or does not return finite images.
        """
        try:
            images = np.asarray(self._network.run(low.astype(np.float32) / 255)[0])
        except Exception as error:
            raise ModelOutputError(
                f"super-resolution model {self.name!r}",
                f"must take float32 images of shape {low.shape}",
                reason_of(error),
                "Export it with one image input, for any number and size of images.",
            ) from error
        if images.ndim != 4 or not np.isfinite(images).all():
            raise ModelOutputError(
                f"output of super-resolution model {self.name!r}",
                "must be a tensor of finite images, shape (n, 3, height, width)",
                images.shape,
                "Export the model again.",
            )
        return to_bytes(torch.from_numpy(images).float().mul(255))

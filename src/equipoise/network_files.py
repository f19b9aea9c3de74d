"""Networks in foreign files, of bounded size: their bytes, and TorchScript."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch

from equipoise.errors import FileFormatError

LARGEST_FILE = 2 * 2**30

_REMEDY = "Export the model again."


def read_network(path: Path) -> bytes:
    """Return the bytes of a file of at most 2 GiB.

    Raises
    ------
    FileFormatError
        When it cannot be read, or is larger.
    """
    try:
        size = path.stat().st_size
        if size <= LARGEST_FILE:
            return path.read_bytes()
    except OSError as error:
        raise FileFormatError(
            f"model file {path}", "must be readable", error.strerror or str(error), _REMEDY
        ) from error
    raise FileFormatError(f"model file {path}", "must be under 2 GiB", size, _REMEDY)


def load_torchscript(path: Path, content: bytes, device: torch.device) -> Any:
    """Return the TorchScript module that the bytes of a file hold, in evaluation mode.

    No Python of the file is run; its operators are, when it is called.

    Raises
    ------
    FileFormatError
        When it is damaged or no TorchScript.
    """
    try:
        with warnings.catch_warnings():
            # Files of this format are about, whatever torch advises to write from now on.
            warnings.simplefilter("ignore", DeprecationWarning)
            network: Any = torch.jit.load(io.BytesIO(content), map_location=device)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(
            f"model file {path}",
            "must be a whole TorchScript file, as torch.jit.save writes it",
            (str(error).splitlines() or [type(error).__name__])[0][:200],
            _REMEDY,
        ) from error
    return network.eval()

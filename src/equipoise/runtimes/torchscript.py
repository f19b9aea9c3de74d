"""Model files of bounded size, and the networks in TorchScript files."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError

LARGEST_FILE = 2 * 2**30
"""Largest size of a model file in bytes; chosen by hand."""

_REMEDY = "Export the model again."


def read_model(path: Path) -> bytes:
    """Return the content of a model file.

    Raises
    ------
    FileFormatError
        When it cannot be read, or is over 2 GiB.
    """
    try:
        size = path.stat().st_size
        if size <= LARGEST_FILE:
            return path.read_bytes()
    except OSError as error:
        raise FileFormatError(
            f"model file {path}",
            "must be readable",
            error.strerror or str(error),
            "Correct the path.",
        ) from error
    raise FileFormatError(f"model file {path}", "must be under 2 GiB", size, _REMEDY)


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Check that an archive of torch is uncompressed and does not exceed its size when unpacked.

    Parameters
    ----------
    archive : zipfile.ZipFile
    size : int
        Bytes of the archive.

    Raises
    ------
    ValueError
        When a member is compressed, or the members would unpack to more.
    """
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("a compressed member; torch stores members uncompressed")
    if sum(member.file_size for member in members) > size:
        raise ValueError(f"members of more than the file's {size} bytes")


def load_torchscript(path: Path, content: bytes, device: torch.device | str = "cpu") -> Any:
    """Return the network in a TorchScript file, on a device, in evaluation mode.

    No Python code of the file is run, but its operators are. Open only files that you trust.

    Parameters
    ----------
    path : Path
        Names the file in errors.
    content : bytes
        The file's content.
    device : torch.device or str

    Raises
    ------
    FileFormatError
        When it is damaged, or not TorchScript.
    """
    try:
        with warnings.catch_warnings():
            # Torch advises against this format for new files, but many exist.
            warnings.simplefilter("ignore", DeprecationWarning)
            network: Any = torch.jit.load(io.BytesIO(content), map_location=device)  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(
            f"model file {path}",
            "must be a whole TorchScript file, as torch.jit.save writes it",
            first_line(error),
            _REMEDY,
        ) from error
    return network.eval()


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

"""Model files of bounded size, and the networks in TorchScript files."""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from equipoise.core.errors import FileFormatError
from equipoise.core.reasons import reason_of

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
        kind, remedy = _kind_and_remedy(content)
        raise FileFormatError(
            f"model file {path}",
            "must be a whole TorchScript file, as torch.jit.save writes it",
            kind or reason_of(error),
            remedy or _REMEDY,
        ) from error
    return network.eval()


_EXPORT = (
    "Export it in Python, to ONNX or by "
    "`torch.jit.save(torch.jit.trace(network.eval(), example), path)`."
)


def _kind_and_remedy(content: bytes) -> tuple[str, str]:
    """Return what a file of torch holds instead of TorchScript, and the way out; or two ""."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if any(name.endswith(("archive_format", "exported_program.json")) for name in names):
                return "a program of torch.export", _EXPORT
            heads = [name for name in names if name.endswith("data.pkl")]
            if not heads or any(name.endswith("constants.pkl") for name in names):
                return "", ""
            with archive.open(heads[0]) as file:
                first = _first_global(io.BytesIO(file.read(_HEAD)))
    except zipfile.BadZipFile:
        if not content.startswith(_LEGACY):
            return "", ""
        stream = io.BytesIO(content[:_HEAD])
        try:
            for _ in range(3):  # A magic number, a version, and sizes of the machine's types.
                list(pickletools.genops(stream))
        except ValueError:
            return "", ""
        first = _first_global(stream)
    except (OSError, ValueError, RuntimeError, NotImplementedError):
        return "", ""
    if first in ("", "collections.OrderedDict") or first.startswith("torch._utils"):
        return (
            "a state dict: weights without the network",
            f"Build the network in Python and load the weights into it. {_EXPORT}",
        )
    return (
        f"a pickled {first[:100]}, whose code is not in the file",
        f"Load it beside its code. {_EXPORT}",
    )


_HEAD = 2**16
"""Bytes of a pickle in which its first name is looked for."""

_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""How files of torch began before it wrote archives."""


def _first_global(stream: io.BytesIO) -> str:
    """Return the first class or function that a pickle names, as "module.name"; nothing is run."""
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(stream):
            if instruction.name == "GLOBAL":
                return str(argument).replace(" ", ".", 1)
            if instruction.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            if isinstance(argument, str):
                texts.append(argument)
    except ValueError:
        pass
    return ""

"""What a file of a pickle or of torch.save holds, as plain values. Its first bytes say what it is.

A name's ending says little: torch.save is used for .pkl, .pt, .pth, .tar, .bin and none.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from equipoise.core.errors import FileFormatError
from equipoise.core.reasons import reason_of
from equipoise.runtimes.pickles.reader import bad_checkpoint, read_pickle
from equipoise.runtimes.pickles.tensors import is_legacy, read_archive, read_legacy

LARGEST_FILE = 4 * 2**30
"""Largest size of a file in bytes; chosen by hand."""

_DOWNLOAD = 'Download the file itself, by the link behind "raw" or "download".'
_PYTORCH = "Give the weights that torch.save wrote."
_FOREIGN = (
    (b"version https://git-lfs", "a pointer of Git LFS", "Fetch the file by `git lfs pull`."),
    (b"<!doctype", "an HTML page", _DOWNLOAD),
    (b"<html", "an HTML page", _DOWNLOAD),
    (b"<?xml", "an XML page", _DOWNLOAD),
    (b"{", "JSON", _PYTORCH),
    (b"\x89hdf", "HDF5, as Keras writes it", _PYTORCH),
    (b"\x1f\x8b", "a gzip archive", "Unpack it with gunzip or tar."),
    (b"bzh", "a bzip2 archive", "Unpack it with bunzip2 or tar."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it."),
    (b"rar!", "a RAR archive", "Unpack it."),
    (b"\x93numpy", "an array of NumPy", _PYTORCH),
)
"""Beginnings of other files, in lower case, each with its name and the way out."""


def read_content(path: Path, where: str) -> Any:
    """Read a pickle, or a file of torch.save, as plain values and calls; nothing of it is run.

    Parameters
    ----------
    path : Path
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it cannot be read, is damaged, too large, compressed, or of another kind.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise FileFormatError(where, "must be under 4 GiB", size, "Give a smaller network.")
        with path.open("rb") as file:
            packed = file.read(2) == b"PK"
        content = b"" if packed else path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileFormatError(where, "must be readable", reason, "Correct the path.") from error
    if packed:
        return _archive(path, size, where)
    head = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, kind, remedy in _FOREIGN:
        if head.startswith(start):
            raise FileFormatError(where, "must be a file of torch.save or a pickle", kind, remedy)
    if head[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        remedy = (
            "`equipoise convert` makes such files from a generator's own; a folder of diffusers is "
            "given as diffusers:FOLDER."
        )
        raise FileFormatError(
            where, "must be a file of torch.save or a pickle", "safetensors", remedy
        )
    stream = io.BytesIO(content)
    value = read_pickle(stream, where)
    if not is_legacy(value):
        return value
    return read_legacy(io.BytesIO(content), where)


_DAMAGE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError),
    *(EOFError, LookupError, ValueError, OSError, OverflowError, MemoryError),
)
"""What zipfile and the codecs of its names raise where an archive is damaged."""


def _archive(path: Path, size: int, where: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return read_archive(archive, size, where)
    except _DAMAGE as error:
        reason = f"one that is damaged ({reason_of(error)})"
        raise bad_checkpoint(where, "must be a whole archive", reason) from error

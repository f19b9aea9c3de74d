"""Files of torch.save, read as data: the zip archives of today, and the older stream.

A pickled tensor is a view, with sizes and strides, of a storage: a flat row of numbers whose bytes
lie outside the pickle.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from equipoise.runtimes.pickles.reader import Call, Name, bad_checkpoint, read_pickle
from equipoise.runtimes.tensor_views import MOST_BYTES, checked_view
from equipoise.runtimes.torchscript import check_archive

# The two numbers that begin a file of torch.save before it wrote archives (torch/serialization.py).
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

DTYPES = {
    Name("torch", f"{kind}Storage"): dtype
    for kind, dtype in (
        ("Double", torch.float64),
        ("Float", torch.float32),
        ("Half", torch.float16),
        ("BFloat16", torch.bfloat16),
        ("Long", torch.int64),
        ("Int", torch.int32),
        ("Short", torch.int16),
        ("Char", torch.int8),
        ("Byte", torch.uint8),
        ("Bool", torch.bool),
    )
}
"""Type of the numbers in a storage, by the class that the pickle refers to."""

TENSOR_NAMES = frozenset(
    {
        *DTYPES,
        Name("torch._utils", "_rebuild_tensor"),
        Name("torch._utils", "_rebuild_tensor_v2"),
        Name("torch._utils", "_rebuild_parameter"),
        Name("collections", "OrderedDict"),
    }
)
"""Globals that pickled tensors refer to."""


@dataclass(eq=False)
class Storage:
    """A flat row of numbers; its bytes may follow the pickle that refers to it.

    Attributes
    ----------
    dtype : torch.dtype
    count : int
        Number of values.
    content : torch.Tensor, shape (count,), or None
        None until the bytes are read.
    """

    dtype: torch.dtype
    count: int
    content: torch.Tensor | None = None

    def fill(self, content: bytes, where: str) -> None:
        """Set the numbers from little-endian bytes, which must have exactly their size."""
        if len(content) != self.count * self.dtype.itemsize:
            raise bad_checkpoint(
                where, f"must hold {self.count} numbers of {self.dtype}", f"{len(content)} bytes"
            )
        self.content = (
            torch.frombuffer(bytearray(content), dtype=self.dtype)
            if content
            else torch.empty(0, dtype=self.dtype)
        )


_IDENTITY_RULE = "must have persistent identities of storages only"


def declared(identity: Any, where: str) -> tuple[str, Storage]:
    """Return the key and an empty storage for a storage's persistent identity."""
    if not isinstance(identity, tuple) or len(identity) < 5:
        raise bad_checkpoint(where, _IDENTITY_RULE, "another identity")
    word, kind, key, _, count, *view = identity
    known = isinstance(kind, Name) and kind in DTYPES
    if word != "storage" or not known or any(part is not None for part in view):
        raise bad_checkpoint(where, _IDENTITY_RULE, "another identity")
    if type(key) is not str or type(count) is not int or not 0 <= count <= MOST_BYTES // 8:
        raise bad_checkpoint(where, "must have storages of under 4 GiB", "another size")
    return key, Storage(DTYPES[kind], count)


def read_legacy(stream: io.BytesIO, allowed: frozenset[Name], where: str) -> Any:
    """Read the older format of torch.save: five pickles, then the bytes of the storages.

    Parameters
    ----------
    stream : io.BytesIO
    allowed : frozenset of Name
        The globals that the file may refer to.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it is truncated, damaged, of another format, or announces more numbers than it holds.
    """
    head = [read_pickle(stream, (), where) for _ in range(3)]
    if head[:2] != [_MAGIC, _PROTOCOL] or not isinstance(head[2], dict):
        raise bad_checkpoint(where, "must be a file of torch.save", "another header")
    if head[2].get("little_endian") is not True:
        raise bad_checkpoint(where, "must be little-endian", "big-endian numbers")
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Storage:
        key, storage = declared(identity, where)
        return storages.setdefault(key, storage)

    value = read_pickle(stream, allowed, where, resolve)
    keys = read_pickle(stream, (), where)
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not named or sorted(keys) != sorted(storages):
        raise bad_checkpoint(where, "must hold the storages that it refers to", "others")
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.count:
            raise bad_checkpoint(where, f"must hold {storage.count} numbers in a storage", count)
        storage.fill(stream.read(count * storage.dtype.itemsize), where)
    return value


def tensor_of(value: Any, where: str) -> torch.Tensor:
    """Return a copy of the tensor that a pickle describes.

    Parameters
    ----------
    value : object
        As `read_pickle` returns it.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it is not a tensor, or a view that exceeds its storage.
    """
    if isinstance(value, Call) and value.name.name == "_rebuild_parameter" and value.arguments:
        value = value.arguments[0]
    is_tensor = isinstance(value, Call) and value.name.name in (
        "_rebuild_tensor",
        "_rebuild_tensor_v2",
    )
    if not is_tensor or len(value.arguments) < 4:
        raise bad_checkpoint(where, "must hold tensors", type(value).__name__)
    storage, offset, size, stride = value.arguments[:4]
    if not isinstance(storage, Storage) or storage.content is None:
        raise bad_checkpoint(where, "must hold tensors of its storages", type(storage).__name__)
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise bad_checkpoint(where, "must hold tensors with sizes and strides", "something else")
    try:
        return checked_view(storage.content, size, stride, offset)
    except ValueError as error:
        raise bad_checkpoint(where, "must hold views within their storages", str(error)) from error


_ALLOWED = TENSOR_NAMES | {Name("argparse", "Namespace")}


def read_torch_file(path: Path) -> Any:
    """Read a file of torch.save as plain values and calls; `tensor_of` turns those into tensors.

    Raises
    ------
    FileFormatError
        When it is damaged, too large, compressed, or refers to anything but tensors and plain
        values.
    """
    where = f"generator file {path}"
    if not zipfile.is_zipfile(path):
        return read_legacy(io.BytesIO(path.read_bytes()), _ALLOWED, where)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path.stat().st_size, where)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise bad_checkpoint(where, "must be a whole archive", str(error)) from error


def _read_archive(archive: zipfile.ZipFile, size: int, where: str) -> Any:
    try:
        check_archive(archive, size)
    except ValueError as error:
        raise bad_checkpoint(where, "must be a plain archive", str(error)) from error
    heads = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(heads) != 1:
        raise bad_checkpoint(where, "must hold one data.pkl", f"{len(heads)}")
    folder = heads[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise bad_checkpoint(where, "must be little-endian", "big-endian numbers")
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Storage:
        key, storage = declared(identity, where)
        if key not in storages:
            storage.fill(archive.read(f"{folder}data/{key}"), where)
            storages[key] = storage
        return storages[key]

    return read_pickle(io.BytesIO(archive.read(heads[0])), _ALLOWED, where, resolve)

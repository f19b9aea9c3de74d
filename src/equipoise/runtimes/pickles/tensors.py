"""Tensors in files of torch.save, read as data: the zip archives of today, and the older stream.

A pickled tensor is a view, with sizes and strides, of a storage: a flat row of numbers whose bytes
lie outside the pickle, or in it as an older stream.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import torch

from equipoise.core.errors import FileFormatError
from equipoise.runtimes.pickles.reader import (
    Call,
    Name,
    bad_checkpoint,
    bytes_of,
    read_pickle,
    shown,
)
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

_TENSOR = {Name("torch._utils", "_rebuild_tensor"), Name("torch._utils", "_rebuild_tensor_v2")}
_PARAMETERS = {
    Name("torch._utils", "_rebuild_parameter"),
    Name("torch._utils", "_rebuild_parameter_with_state"),
}
_TYPED = Name("torch._tensor", "_rebuild_from_type_v2")
_EMBEDDED = Name("torch.storage", "_load_from_bytes")


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


def _declared(identity: Any, where: str) -> tuple[str, Storage]:
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


def is_legacy(first: Any) -> bool:
    """Return whether the first pickle of a stream begins the older format of torch.save."""
    return type(first) is int and first == _MAGIC


def read_legacy(stream: io.BytesIO, where: str) -> Any:
    """Read the older format of torch.save: five pickles, then the bytes of the storages.

    Parameters
    ----------
    stream : io.BytesIO
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it is truncated, damaged, of another format, or announces more numbers than it holds.
    """
    head = [read_pickle(stream, where) for _ in range(3)]
    if head[:2] != [_MAGIC, _PROTOCOL] or not isinstance(head[2], dict):
        raise bad_checkpoint(where, "must be a file of torch.save", "another header")
    if head[2].get("little_endian") is not True:
        raise bad_checkpoint(where, "must be little-endian", "big-endian numbers")
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Any:
        if isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module":
            return identity[1]  # A class, stored with its source code, which is left alone.
        key, storage = _declared(identity, where)
        return storages.setdefault(key, storage)

    value = read_pickle(stream, where, resolve)
    keys = read_pickle(stream, where)
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
    value = _unwrapped(value)
    if not isinstance(value, Call) or value.name not in _TENSOR or len(value.arguments) < 4:
        raise bad_checkpoint(where, "must hold tensors", shown(value))
    storage, offset, size, stride = value.arguments[:4]
    if isinstance(storage, Call) and storage.name == _EMBEDDED:
        storage = _embedded(storage, where)
    if not isinstance(storage, Storage) or storage.content is None:
        raise bad_checkpoint(where, "must hold tensors of its storages", shown(storage))
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise bad_checkpoint(where, "must hold tensors with sizes and strides", "something else")
    try:
        return checked_view(storage.content, size, stride, offset)
    except ValueError as error:
        raise bad_checkpoint(where, "must hold views within their storages", str(error)) from error


def is_tensor(value: Any) -> bool:
    """Return whether a value of a pickle is meant as a tensor or a parameter."""
    value = _unwrapped(value)
    return isinstance(value, Call) and value.name in _TENSOR


def _unwrapped(value: Any) -> Any:
    """Return the tensor of a parameter, or of one with attributes; other values unchanged."""
    if isinstance(value, Call) and value.name in _PARAMETERS and value.arguments:
        value = value.arguments[0]
    if isinstance(value, Call) and value.name == _TYPED and len(value.arguments) > 2:
        name, _, arguments, *_ = value.arguments
        if isinstance(name, Name) and isinstance(arguments, tuple):
            return Call(name, arguments, None, {})
    return value


def _embedded(call: Call, where: str) -> Any:
    """Return the storage that a pickle holds as bytes."""
    if len(call.arguments) != 1:
        raise bad_checkpoint(where, "must hold a storage as bytes", shown(call))
    return read_legacy(io.BytesIO(bytes_of(call.arguments[0], where)), where)


def read_archive(archive: zipfile.ZipFile, size: int, where: str) -> Any:
    """Read the zip archive of torch.save.

    Parameters
    ----------
    archive : zipfile.ZipFile
    size : int
        Bytes of the archive.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When it is compressed, of another format, or lacks a storage.
    zipfile.BadZipFile and others of `zipfile`
        When the archive is damaged.
    """
    if any(name.endswith("/constants.pkl") for name in archive.namelist()):
        kind, remedy = "a network in TorchScript", "Give it as torchscript:FILE."
        raise FileFormatError(where, "must be a file of torch.save", kind, remedy)
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

    def resolve(identity: Any) -> Any:
        kind = identity[1] if isinstance(identity, tuple) and len(identity) > 1 else None
        if isinstance(kind, Name) and kind not in DTYPES:
            return kind  # Numbers of another type, which no generator here has.
        key, storage = _declared(identity, where)
        if key not in storages:
            storage.fill(archive.read(f"{folder}data/{key}"), where)
            storages[key] = storage
        return storages[key]

    return read_pickle(io.BytesIO(archive.read(heads[0])), where, resolve)

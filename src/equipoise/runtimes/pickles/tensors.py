"""Tensors of a pickle: flat storages of numbers, and views on them.

What torch.save writes, an archive or the older stream, read as data.
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
"""Kinds of storage, by the class that a pickle names."""

TENSOR_NAMES = frozenset(
    {
        *DTYPES,
        Name("torch._utils", "_rebuild_tensor"),
        Name("torch._utils", "_rebuild_tensor_v2"),
        Name("torch._utils", "_rebuild_parameter"),
        Name("collections", "OrderedDict"),
    }
)
"""Globals that tensors are made of."""


@dataclass(eq=False)
class Storage:
    """Numbers in a row; their bytes may follow the pickle that names them.

    Attributes
    ----------
    dtype : torch.dtype
    count : int
        How many numbers.
    content : torch.Tensor or None
        The numbers, shape (count,).
    """

    dtype: torch.dtype
    count: int
    content: torch.Tensor | None = None

    def fill(self, content: bytes, where: str) -> None:
        """Take the numbers from bytes of exactly their size, least significant byte first."""
        if len(content) != self.count * self.dtype.itemsize:
            raise bad_checkpoint(
                where, f"must hold {self.count} numbers of {self.dtype}", f"{len(content)} bytes"
            )
        self.content = (
            torch.frombuffer(bytearray(content), dtype=self.dtype)
            if content
            else torch.empty(0, dtype=self.dtype)
        )


def declared(identity: Any, where: str) -> tuple[str, Storage]:
    """Return key and empty storage for the persistent identity that torch gives a storage."""
    if not isinstance(identity, tuple) or len(identity) < 5:
        raise bad_checkpoint(where, "must have persistent identities of storages only", "another")
    word, kind, key, _, count, *view = identity
    known = isinstance(kind, Name) and kind in DTYPES
    if word != "storage" or not known or any(part is not None for part in view):
        raise bad_checkpoint(where, "must have persistent identities of storages only", "another")
    if type(key) is not str or type(count) is not int or not 0 <= count <= MOST_BYTES // 8:
        raise bad_checkpoint(where, "must have storages of less than 4 GiB", "another size")
    return key, Storage(DTYPES[kind], count)


def read_legacy(stream: io.BytesIO, allowed: frozenset[Name], where: str) -> Any:
    """Read what torch.save wrote before it wrote archives: five pickles, then the storages' bytes.

    Raises
    ------
    FileFormatError
        When it is cut, damaged, foreign, or promises more numbers than it holds.
    """
    head = [read_pickle(stream, (), where) for _ in range(3)]
    if head[:2] != [_MAGIC, _PROTOCOL] or not isinstance(head[2], dict):
        raise bad_checkpoint(where, "must be a torch file", "another head")
    if head[2].get("little_endian") is not True:
        raise bad_checkpoint(
            where, "must have its least significant bytes first", "the other order"
        )
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Storage:
        key, storage = declared(identity, where)
        return storages.setdefault(key, storage)

    value = read_pickle(stream, allowed, where, resolve)
    keys = read_pickle(stream, (), where)
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not named or sorted(keys) != sorted(storages):
        raise bad_checkpoint(where, "must hold the storages that it names", "others")
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.count:
            raise bad_checkpoint(where, f"must hold {storage.count} numbers in a storage", count)
        storage.fill(stream.read(count * storage.dtype.itemsize), where)
    return value


def tensor_of(value: Any, where: str) -> torch.Tensor:
    """Return the tensor that a pickle's calls would make, copied.

    Raises
    ------
    FileFormatError
        When they make something else, or a view that its storage does not hold.
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
        raise bad_checkpoint(where, "must hold tensors of its own storages", type(storage).__name__)
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise bad_checkpoint(where, "must hold tensors with sizes and strides", "something else")
    try:
        return checked_view(storage.content, size, stride, offset)
    except ValueError as error:
        raise bad_checkpoint(where, "must hold views within their numbers", str(error)) from error


_ALLOWED = TENSOR_NAMES | {Name("argparse", "Namespace")}


def read_torch_file(path: Path) -> Any:
    """Return plain values, and calls that make tensors, of a torch file.

    Raises
    ------
    FileFormatError
        When it is damaged, too large, packed, or names anything but tensors and plain values.
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
        raise bad_checkpoint(
            where, "must have its least significant bytes first", "the other order"
        )
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Storage:
        key, storage = declared(identity, where)
        if key not in storages:
            storage.fill(archive.read(f"{folder}data/{key}"), where)
            storages[key] = storage
        return storages[key]

    return read_pickle(io.BytesIO(archive.read(heads[0])), _ALLOWED, where, resolve)

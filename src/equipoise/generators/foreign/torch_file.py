"""What torch.save writes, an archive or the older stream, read as data."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from equipoise.generators.foreign.found import foreign
from equipoise.generators.foreign.pickle_reader import Name, read_pickle
from equipoise.generators.foreign.storages import (
    TENSOR_NAMES,
    Storage,
    declared,
    read_legacy,
)
from equipoise.model_files import check_archive

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
        raise foreign(where, "must be a whole archive", str(error)) from error


def _read_archive(archive: zipfile.ZipFile, size: int, where: str) -> Any:
    try:
        check_archive(archive, size)
    except ValueError as error:
        raise foreign(where, "must be a plain archive", str(error)) from error
    heads = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(heads) != 1:
        raise foreign(where, "must hold one data.pkl", f"{len(heads)}")
    folder = heads[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise foreign(where, "must have its least significant bytes first", "the other order")
    storages: dict[str, Storage] = {}

    def resolve(identity: Any) -> Storage:
        key, storage = declared(identity, where)
        if key not in storages:
            storage.fill(archive.read(f"{folder}data/{key}"), where)
            storages[key] = storage
        return storages[key]

    return read_pickle(io.BytesIO(archive.read(heads[0])), _ALLOWED, where, resolve)

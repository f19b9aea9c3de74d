"""Completion records: small files that decide which shards of a task are done.

The record of `labels-00003.parquet` is `labels-00003.done.json` beside it. It is written after the
shard was moved to its name, and removed before the shard is written again.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_origin

from equipoise.core.errors import FileFormatError
from equipoise.core.files import digest_of, read_json, storage
from equipoise.core.records import field_types, from_json, write_record
from equipoise.core.versions import versions

SUFFIX = ".done.json"

_REMEDY = "Delete it and run the same command again."


@dataclass(frozen=True)
class Completion:
    """A shard that is done.

    Attributes
    ----------
    file : str
        Name of the shard's file, in the folder of the record.
    rows : int
        Rows of the shard.
    total : int
        Rows of the whole task.
    size : int
        Bytes of the file.
    sha256 : str
        Digest of the file.
    identity : str
        All that determines the rows, as `ResumableFolder.identity`.
    device, host : str
        Where it was computed.
    seconds : float
        How long it took.
    finished : float
        When it was done, in seconds since 1970.
    versions : dict of str to str
        Of the libraries.
    """

    file: str
    rows: int
    total: int
    size: int
    sha256: str
    identity: str
    device: str
    host: str
    seconds: float
    finished: float
    versions: dict[str, str]


def completion_path(file: Path) -> Path:
    """Return where the completion record of a file is.

    Examples
    --------
    >>> completion_path(Path("labels/labels-00003.parquet")).name
    'labels-00003.done.json'
    """
    return file.with_name(file.stem + SUFFIX)


def write_completion(
    file: Path, *, rows: int, total: int, identity: str, device: str, seconds: float
) -> None:
    """Record that a file of a task is done.

    Raises
    ------
    StorageError
        When the record cannot be written, or the file is not there.
    """
    with storage(file):
        record = Completion(
            file=file.name,
            rows=rows,
            total=total,
            size=file.stat().st_size,
            sha256=digest_of(file),
            identity=identity,
            device=device,
            host=platform.node(),
            seconds=round(seconds, 3),
            finished=round(time.time(), 3),
            versions=versions(),
        )
    write_record(completion_path(file), record)


def remove_completion(file: Path) -> None:
    """Remove the record of a file that is about to be written again."""
    with storage(file):
        completion_path(file).unlink(missing_ok=True)


def read_completion(file: Path) -> Completion | None:
    """Return the completion record of a file, or None where the file is not done.

    Raises
    ------
    FileFormatError
        When the record is damaged, or the file has another size than was recorded.
    """
    path = completion_path(file)
    with storage(path):
        if not path.exists() or not file.exists():
            return None
        size = file.stat().st_size
    found = _read(path)
    if found.size != size:
        raise FileFormatError(
            f"file {file}", f"must be a whole file of {found.size:,} bytes", f"{size:,}", _REMEDY
        )
    return found


def completions(folder: Path) -> Iterator[Completion]:
    """Yield all completion records of a folder, in no order; no other file is opened.

    Raises
    ------
    FileFormatError
        When a record is damaged.
    """
    with storage(folder), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                yield _read(Path(entry.path))


def _read(path: Path) -> Completion:
    found = read_json(path, _REMEDY, what="completion record")
    # A hundred thousand records are read in seconds: the usual reader, eight times as slow, is for
    # those that it must find the fault of.
    usual = len(found) == len(_KINDS) and all(type(found.get(k)) is t for k, t in _KINDS.items())
    if usual and all(type(version) is str for version in found["versions"].values()):
        return Completion(**found)
    return from_json(found, Completion, f"completion record {path}", _REMEDY)


_KINDS = {name: get_origin(kind) or kind for name, kind in field_types(Completion).items()}

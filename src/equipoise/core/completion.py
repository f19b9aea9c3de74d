"""Completion records: small files that decide which shards of a task are done.

The record of `labels-00003.parquet` is `labels-00003.done.json` beside it. It is written after the
shard has its name, and removed before the shard is written again. Records are read by name, since
the listing of a store may be old. `labels-00003.failed.json` says why a shard was set aside; it
decides nothing.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from equipoise.core.errors import FileFormatError, shortened
from equipoise.core.files import digest_of, json_object
from equipoise.core.folders import Folder
from equipoise.core.records import field_types, from_json, to_json
from equipoise.core.threads import mapped
from equipoise.core.versions import versions

SUFFIX, FAILED = ".done.json", ".failed.json"

_LARGEST = 2**16
"""Bytes of a record at most. Python sets aside as much for each that it reads."""

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


@dataclass(frozen=True)
class Failure:
    """A shard that was set aside.

    Attributes
    ----------
    file : str
        Name of the shard's file.
    rows, total : int
        Rows of the shard, and of the whole task.
    reason : str
        Of the last loss.
    failed : float
        When, in seconds since 1970.
    """

    file: str
    rows: int
    total: int
    reason: str
    failed: float


def record_name(file: str, suffix: str = SUFFIX) -> str:
    """Return the name of the record of a file.

    Examples
    --------
    >>> record_name("labels-00003.parquet")
    'labels-00003.done.json'
    """
    # A Path keeps the name in a table of Python's, and takes ten times as long.
    return f"{os.path.splitext(file)[0]}{suffix}"


@contextmanager
def completing(folder: Folder, file: str, *, began: float, **done: Any) -> Iterator[Path]:
    """Give a path on this machine, whose content becomes a shard; then record that it is done.

    Parameters
    ----------
    folder : Folder
    file : str
        Name of the shard.
    began : float
        When its computation began, by `time.monotonic`.
    **done
        Rows, total, identity and device, as for `complete`.

    Raises
    ------
    StorageError
        When a file cannot be written.
    """
    folder.remove(record_name(file))
    with folder.writing(file) as part:
        yield part
        size, sha256 = part.stat().st_size, digest_of(part)
    seconds = time.monotonic() - began
    complete(folder, file, size=size, sha256=sha256, seconds=seconds, **done)


def complete(
    folder: Folder,
    file: str,
    *,
    rows: int,
    total: int,
    size: int,
    sha256: str,
    identity: str,
    device: str,
    seconds: float,
) -> None:
    """Record that a file is done. Parameters are as in `Completion`."""
    record = Completion(
        file=file,
        rows=rows,
        total=total,
        size=size,
        sha256=sha256,
        identity=identity,
        device=device,
        host=platform.node(),
        seconds=round(seconds, 3),
        finished=round(time.time(), 3),
        versions=versions(),
    )
    _write(folder, file, SUFFIX, record)


def write_failure(folder: Folder, file: str, *, rows: int, total: int, reason: str) -> None:
    """Note that a shard was set aside, for `equipoise status`."""
    failure = Failure(file, rows, total, shortened(reason), round(time.time(), 3))
    _write(folder, file, FAILED, failure)


def _write(folder: Folder, file: str, suffix: str, record: Completion | Failure) -> None:
    with folder.writing(record_name(file, suffix)) as part:
        part.write_text(json.dumps(to_json(record), indent=1, allow_nan=False) + "\n")


def read_completion(folder: Folder, file: str) -> Completion | None:
    """Return the completion record of a file, or None where the file is not done.

    Raises
    ------
    FileFormatError
        When the record is damaged, or the file has another size than was recorded.
    """
    size = folder.size(file)
    content = None if size is None else folder.read(record_name(file), _LARGEST)
    if content is None:
        return None
    found = _parse(folder, record_name(file), content)
    if found.size != size:
        where, rule = f"file {folder / file}", f"must be a whole file of {found.size:,} bytes"
        raise FileFormatError(where, rule, f"{size:,}", _REMEDY)
    return found


def completions(folder: Folder, names: Iterator[str] | None = None) -> Iterator[Completion]:
    """Yield all completion records of a folder, in no order; no other file is opened.

    Parameters
    ----------
    folder : Folder
    names : iterator of str, optional
        Of the records; those of the folder's listing by default.

    Raises
    ------
    FileFormatError
        When a record is damaged.
    """

    def read(name: str) -> Completion | None:
        content = folder.read(name, _LARGEST)
        return None if content is None else _parse(folder, name, content)

    if names is None:
        names = (name for name in folder.names() if name.endswith(SUFFIX))
    many = folder.at_a_time
    for found in map(read, names) if many == 1 else mapped(read, names, many):
        if found is not None:
            yield found


def _parse(folder: Folder, name: str, content: bytes) -> Completion:
    # A hundred thousand records are read in seconds: the usual reader, ten times as slow, is for
    # those that it must find the fault of.
    try:
        text = content.decode()
        found, end = _DECODER.raw_decode(text)
        kinds = tuple(found), tuple(map(type, found.values()))
        texts = set(map(type, found["versions"].values())) <= {str}
        if kinds == _KINDS and texts and not text[end:].strip():
            # What makes a frozen record sets each field by a call of its own.
            record = object.__new__(Completion)
            record.__dict__.update(found)
            return record
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        pass
    where = f"completion record {folder / name}"
    return from_json(json_object(content, where, _REMEDY), Completion, where, _REMEDY)


_DECODER = json.JSONDecoder()

_KINDS: tuple[tuple[str, ...], tuple[Any, ...]] = (
    tuple(field_types(Completion)),
    tuple(get_origin(kind) or kind for kind in field_types(Completion).values()),
)

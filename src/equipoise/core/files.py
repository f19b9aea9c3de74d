"""Writing files whole or not at all, and reading small foreign ones.

Checks of arrays that a file brought.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.core.errors import EquipoiseError, FileFormatError, InputError, StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_JSON = 2**20
"""Bytes of a JSON file of another project at most."""

LARGEST_RECORD = 64 * 2**20
"""Bytes of a record of ours at most."""

LARGEST_TOML = 2**16
"""Bytes of a TOML file at most."""


RESUMES = "What is written is kept, and the same command resumes."
"""What `storage` adds where it is true."""

_WHOLE = "A file is written whole or not at all: nothing of this one is kept."


_SCHEME = re.compile(r"(s3a?|gcs|gs|hf|az|abfss?|adl|memory|https?|s?ftp|hdfs|webhdfs|oss):")
"""What a path begins with that was the address of a store that fsspec knows."""


@contextmanager
def storage(path: Path, kept: str = "") -> Iterator[None]:
    """Turn a failure of the disk into an error that names `path` and the remedy.

    Parameters
    ----------
    path : Path
    kept : str
        What became of the work, as a sentence.

    Raises
    ------
    StorageError
        When the disk is full, the folder is read-only, or a name is taken by something else.
    InputError
        When the path was the address of an object store.
    """
    if path.parts and _SCHEME.fullmatch(path.parts[0]):
        raise InputError(
            "path",
            "must be on this machine; collect, balance and sample --format webdataset alone write "
            "to stores",
            f"{path.parts[0]}//{'/'.join(path.parts[1:])}",
            "Give a folder of this machine, and copy it afterwards.",
        )
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"path {path}",
            "must be writable, with room left",
            error.strerror or str(error),
            f"Free space, or choose another place for it. {kept}".rstrip(),
        ) from error


def part_mark() -> str:
    """Return a new mark for the name of what this process writes, which says whose it is."""
    return f"{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def is_abandoned(name: str) -> bool:
    """Return whether a name holds the mark of a process of this machine that has ended.

    Such a process was killed: others remove what they have not finished.
    """
    found = _MARK.search(name)
    # On Windows, the call that asks for a process would end it.
    if found is None or found["host"] != _host() or os.name != "posix":
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False


_MARK = re.compile(r"[.-](?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}[.-]")


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextmanager
def atomic_path(path: Path, kept: str = _WHOLE) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved onto it at the end when nothing failed.

    Write to it with functions whose failures are OSErrors; safetensors' own is none.

    Parameters
    ----------
    path : Path
    kept : str
        As for `storage`.

    Raises
    ------
    StorageError
        As `storage`.
    """
    part = path.with_name(f".{path.name}.{part_mark()}.part")
    with storage(path, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            # Some writers make files that only their owner may read.
            mask = os.umask(0)
            os.umask(mask)
            part.chmod(0o666 & ~mask)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, UTF-8."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def read_text(
    path: Path,
    remedy: str,
    *,
    rule: str = "must be readable text",
    what: str = "file",
    limit: int = LARGEST_JSON,
    error: type[EquipoiseError] = FileFormatError,
) -> str:
    """Return a text file of bounded size, UTF-8 with or without a byte order mark.

    Parameters
    ----------
    path : Path
    remedy : str
        What to do where it cannot be read, as a sentence.
    rule : str
        What such a file must be, for the error.
    what : str
        What errors call the file.
    limit : int
        Bytes at most.
    error : type of EquipoiseError
        The class of the error.

    Raises
    ------
    EquipoiseError
        When it cannot be read, is larger, or is no UTF-8.
    """
    where = f"{what} {path}"
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as cause:  # A name that no file can have is a ValueError.
        reason = getattr(cause, "strerror", None) or str(cause)
        raise error(where, rule, reason, remedy) from cause
    if len(content) > limit:
        raise error(where, f"must be under {_size(limit)}", "a larger one", remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(where, rule, str(cause), remedy) from cause


def parse_json(text: str | bytes, *, strict: bool = False) -> Any:
    """Return what a JSON text holds; every fault of it is a ValueError.

    Parameters
    ----------
    text : str or bytes
        Bounded by who read it.
    strict : bool
        Whether to refuse NaN, infinity, and a key that an object gives twice, of which Python
        would keep the last.

    Raises
    ------
    ValueError
        When it is no JSON.

    Examples
    --------
    >>> parse_json('{"n": 1, "n": 2}')
    {'n': 2}
    >>> parse_json('{"n": 1, "n": 2}', strict=True)
    Traceback (most recent call last):
    ...
    equipoise.core.files._TwiceError: the key 'n' is given twice
    """
    try:
        if not strict:
            return json.loads(text)
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("lists or objects too deep in each other") from None


class _TwiceError(ValueError):
    """A key that an object gives twice, its only argument."""

    def __str__(self) -> str:
        return f"the key {self.args[0]!r} is given twice"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def read_json(
    path: Path,
    remedy: str,
    *,
    what: str = "file",
    limit: int = LARGEST_JSON,
    strict: bool = False,
    error: type[EquipoiseError] = FileFormatError,
) -> dict[str, Any]:
    """Return the object that a JSON file of bounded size holds.

    Parameters
    ----------
    path, remedy, what, limit, error
        As for `read_text`.
    strict : bool
        As for `parse_json`.

    Raises
    ------
    EquipoiseError
        When it cannot be read, is larger, or holds something else.
    """
    text = read_text(path, remedy, rule=_READABLE, what=what, limit=limit, error=error)
    return json_object(text, f"{what} {path}", remedy, strict=strict, error=error)


_READABLE = "must be readable JSON"


def json_object(
    text: str | bytes,
    where: str,
    remedy: str,
    *,
    strict: bool = False,
    error: type[EquipoiseError] = FileFormatError,
) -> dict[str, Any]:
    """Return the object that a JSON text of bounded size holds.

    Parameters
    ----------
    text, strict
        As for `parse_json`.
    where : str
        What holds the text, for the error.
    remedy, error
        As for `read_text`.

    Raises
    ------
    EquipoiseError
        When it is no JSON, or holds something else.
    """
    try:
        found = parse_json(text, strict=strict)
    except _TwiceError as cause:
        named = f"{where}, key {cause.args[0]!r}"
        raise error(named, "must be given once", "it twice", "Remove one of the two.") from None
    except ValueError as cause:
        raise error(where, _READABLE, str(cause), remedy) from cause
    if not isinstance(found, dict):
        raise error(where, "must hold an object", type(found).__name__, remedy)
    return found


def read_toml(
    path: Path, remedy: str, *, what: str = "file", limit: int = LARGEST_TOML
) -> dict[str, Any]:
    """Return the values of a TOML file of bounded size; its own rules refuse a key given twice.

    Parameters
    ----------
    path, remedy, what, limit
        As for `read_text`.

    Raises
    ------
    InputError
        When it cannot be read, is larger, or is no TOML.
    """
    rule = "must be readable TOML"
    text = read_text(path, remedy, rule=rule, what=what, limit=limit, error=InputError)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as cause:
        raise InputError(f"{what} {path}", rule, str(cause), remedy) from cause


def _size(limit: int) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> _size(2**16), _size(2**22)
    ('64 KiB', '4 MiB')
    """
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"


def printable(name: str) -> str:
    r"""Return a file's name as text that can be written: bytes that are not UTF-8 as `\xe4`.

    Examples
    --------
    >>> print(printable(os.fsdecode(b"Mumm\xe4.png")))
    Mumm\xe4.png
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, without holding it whole."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_array(
    tensors: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], where: str
) -> NDArray[Any]:
    """Return the array of that name.

    Raises
    ------
    FileFormatError
        When it is missing, of another shape, or holds NaN.
    """
    import numpy as np

    found = tensors.get(name)
    if found is None or found.shape != shape or np.isnan(found).any():
        raise FileFormatError(
            where,
            f"must hold the array {name!r} of shape {shape}, without NaN",
            "none" if found is None else found.shape,
            "Make the sampler again.",
        )
    return found

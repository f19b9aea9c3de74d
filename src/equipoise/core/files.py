"""Writing files whole or not at all, and reading small foreign ones.

Checks of arrays that a file brought.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.errors import FileFormatError, StorageError

_LARGEST_JSON = 2**20


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into an error that names `path` and the remedy.

    Raises
    ------
    StorageError
        When the disk is full, the folder is read-only, or a name is taken by something else.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"path {path}",
            "must be writable, with room left",
            error.strerror or str(error),
            "Free space or choose another folder with --out; what is written is kept, "
            "and the same command goes on from there.",
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, moved onto it at the end when nothing failed.

    Raises
    ------
    StorageError
        As `storage`.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    with storage(path):
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


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return the object that a JSON file of at most 1 MiB holds.

    Raises
    ------
    FileFormatError
        When it cannot be read, is larger, or holds something else; `remedy` is told with it.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ValueError("a file of over 1 MiB")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"file {path}", "must be readable JSON", error, remedy) from error
    return found


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
    found = tensors.get(name)
    if found is None or found.shape != shape or np.isnan(found).any():
        raise FileFormatError(
            where,
            f"must hold the array {name!r} of shape {shape}, without NaN",
            "none" if found is None else found.shape,
            "Make the sampler again.",
        )
    return found


_LARGEST_RECORD = 64 * 2**20


def to_json(value: Any) -> Any:
    """Turn records and arrays into JSON values: NaN becomes null, infinity the text "infinite"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else "infinite"
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a record as JSON, whole or not at all."""
    write_text(path, json.dumps(to_json(value), indent=1) + "\n")


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object of bounded size."""
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise FileFormatError(
                f"figures {path}", "must be under 64 MiB", path.stat().st_size, remedy
            )
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"figures {path}", "must be readable JSON", str(error), remedy
        ) from error
    return found

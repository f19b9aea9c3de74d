"""Writing files whole or not at all, and reading small foreign ones."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from equipoise.errors import FileFormatError, StorageError

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

"""Folders of results: on a disk, or in an object store that fsspec knows.

A folder is named by a path or by an address such as `s3://bucket/faces`. Files are written whole or
not at all, and read by name: the listing of a store may be old. fsspec, and the library of a store,
are imported when such an address is opened. Credentials are those of the environment.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from equipoise.core.errors import InputError, StorageError
from equipoise.core.files import RESUMES, atomic_path, is_abandoned, part_mark, storage
from equipoise.core.plugins import install, load_library

Result = TypeVar("Result")

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class LocalFolder:
    """A folder on a disk. Every method raises `StorageError` when the disk fails.

    Attributes
    ----------
    path : Path
    at_a_time : int
        Files that are best read at a time.
    """

    path: Path
    at_a_time = 1

    @property
    def address(self) -> str:
        """Return what names the folder."""
        return str(self.path)

    def __truediv__(self, name: str) -> LocalFolder:
        """Return a folder in this one."""
        return LocalFolder(self.path / name)

    def __str__(self) -> str:
        return self.address

    def absolute(self) -> LocalFolder:
        """Return the same folder, named alike from every working folder."""
        return LocalFolder(self.path.absolute())

    def prepare(self) -> None:
        """Create the folder, or remove what killed processes of this machine left half written."""
        with storage(self.path, RESUMES):
            self.path.mkdir(parents=True, exist_ok=True)
            left = [n for n in self.names() if n.endswith(".part") and is_abandoned(n)]
            for name in left:
                (self.path / name).unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where it is missing."""
        try:
            return os.stat(f"{self.path}/{name}").st_size
        except FileNotFoundError:
            return None
        except OSError:
            with storage(self.path / name):
                raise

    def stamp(self, name: str) -> str:
        """Return the size of a file with the time of its last change: what it holds, unread."""
        with storage(self.path / name):
            found = os.stat(self.path / name)
        return f"{found.st_size} {found.st_mtime_ns}"

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """Return a file, at most its first `limit` bytes; None where it is missing."""
        # A hundred thousand records are read in seconds; a join of paths, or an object for the
        # file, takes as long as a read.
        try:
            descriptor = os.open(f"{self.path}/{name}", _READ)
            if limit is None:
                with open(descriptor, "rb", buffering=0) as file:
                    return file.read()
            try:
                return os.read(descriptor, limit)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError:
            with storage(self.path / name):
                raise

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Give a file to read from its start; a missing one is a failure."""
        with storage(self.path / name), open(self.path / name, "rb") as file:
            yield file

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Give a path on this machine, whose content becomes the file when nothing failed."""
        return atomic_path(self.path / name, RESUMES)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with storage(self.path / name):
            (self.path / name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Yield the names of all that is in the folder, in no order. The newest may lack."""
        if self.path.is_dir():
            with storage(self.path), os.scandir(self.path) as entries:
                yield from (entry.name for entry in entries)

    def folders(self) -> list[str]:
        """Return the names of folders in this one, sorted."""
        if not self.path.is_dir():
            return []
        with storage(self.path), os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())


_STAMPS = ("ETag", "etag", "md5Hash", "crc32c", "blob_id", "LastModified", "mtime", "created")
"""What libraries of stores call a digest of a file, or the time of its last change."""

_TEMPORARY = "equipoise-"

_WAITS = (0.2, 1.0, 5.0)
"""Seconds before a request is made again; chosen by hand. Libraries of stores wait by themselves
too."""


@dataclass(frozen=True)
class StoredFolder:
    """A folder in an object store, with the methods of `LocalFolder`.

    A file is put whole. A request that fails is made again, three times at most.

    Attributes
    ----------
    address : str
    at_a_time : int
    """

    address: str
    at_a_time = 32

    def __truediv__(self, name: str) -> StoredFolder:
        """Return a folder in this one."""
        return StoredFolder(f"{self.address}/{name}")

    def __str__(self) -> str:
        return self.address

    def absolute(self) -> StoredFolder:
        """Return the folder."""
        return self

    def prepare(self) -> None:
        """Write a small file, and remove it; and what killed processes left on this machine."""
        with storage(Path(tempfile.gettempdir())):
            for name in os.listdir(tempfile.gettempdir()):
                if name.startswith(_TEMPORARY) and is_abandoned(name):
                    shutil.rmtree(Path(tempfile.gettempdir()) / name, ignore_errors=True)
        name = ".equipoise-writes-here"
        with self.writing(name) as part:
            part.touch()
        self.remove(name)

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        found = self._try(name, lambda store, path: store.info(path), missing=None)
        return None if found is None else int(found["size"])

    def stamp(self, name: str) -> str:
        """Return the size of a file, with the digest or time that the store names."""
        found = self._try(name, lambda store, path: store.info(path))
        known = (str(found[key]) for key in _STAMPS if found.get(key))
        return f"{found['size']} {next(known, '')}"

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """Return a file, at most its first `limit` bytes."""
        bounds = {} if limit is None else {"start": 0, "end": limit}
        return self._try(name, lambda store, path: store.cat_file(path, **bounds), missing=None)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """Give a file to read from its start; parts of it are fetched as they are read."""
        with self._try(name, lambda store, path: store.open(path, "rb")) as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Give a temporary path, whose file is put at the end."""
        with tempfile.TemporaryDirectory(prefix=f"{_TEMPORARY}{part_mark()}-") as folder:
            part = Path(folder) / "part"
            with storage(part, RESUMES):
                yield part
            self._try(name, lambda store, path: store.put_file(str(part), path))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._try(name, _remove, missing=None)

    def names(self) -> Iterator[str]:
        """Yield the names of files."""
        return (name for name, _ in self._listed())

    def folders(self) -> list[str]:
        """Return the names of folders."""
        return sorted(name for name, kind in self._listed() if kind == "directory")

    def _listed(self) -> list[tuple[str, str]]:
        found = self._try("", lambda store, path: store.ls(path, detail=True), missing=[])
        return [(entry["name"].rstrip("/").rpartition("/")[2], entry["type"]) for entry in found]

    def _try(
        self, name: str, request: Callable[[Any, str], Result], missing: Any = StorageError
    ) -> Result | Any:
        """Return what a request gives, `missing` where there is no such file if that is allowed."""
        store, root = _filesystem(self.address)
        path = f"{root}/{name}".rstrip("/")
        for wait in (*_WAITS, None):
            try:
                return request(store, path)
            except Exception as error:
                if isinstance(error, FileNotFoundError) and missing is not StorageError:
                    return missing
                # Libraries of stores raise errors of many kinds.
                if wait is None or isinstance(error, FileNotFoundError | PermissionError):
                    raise StorageError(
                        f"store {self.address}/{name}".rstrip("/"),
                        "must answer, and take what is written",
                        f"{type(error).__name__}: {error}",
                        f"Check network, credentials and bucket. {RESUMES}",
                    ) from error
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _remove(store: Any, path: str) -> None:
    try:
        store.rm_file(path)
    except Exception:
        store.info(path)  # Some libraries have an error of their own for a file that is not there.
        raise


@lru_cache(maxsize=64)
def _filesystem(address: str) -> tuple[Any, str]:
    """Return fsspec's object for a store, and the path in it. Listings are not kept."""
    fsspec = load_library(f"address {address}", "fsspec", "Install fsspec.")
    try:
        store, root = fsspec.url_to_fs(address, use_listings_cache=False)
    except Exception as error:  # Each library raises its own.
        raise InputError(
            f"address {address}",
            "must be of a store that fsspec can open",
            f"{type(error).__name__}: {error}",
            f"{install('s3,gs')}, and pass credentials by the environment.",
        ) from error
    return store, str(root).rstrip("/")


Folder: TypeAlias = LocalFolder | StoredFolder

_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://(.*)", re.DOTALL)


def open_folder(place: Path | str | Folder) -> Folder:
    """Return a folder by its path or address.

    Parameters
    ----------
    place : Path, str or Folder
        A path; or `s3://bucket/folder`, `gs://`, `hf://` or any other address that fsspec knows.
        A folder is returned as it is.

    Raises
    ------
    InputError
        When the address holds a password, no bucket, or is of a store that is not installed.

    Examples
    --------
    >>> open_folder("runs/labels") / "draws"
    LocalFolder(path=PosixPath('runs/labels/draws'))
    """
    if isinstance(place, Path):
        return LocalFolder(place)
    if not isinstance(place, str):
        return place
    found = _ADDRESS.fullmatch(place)
    if not found:
        return LocalFolder(Path(place))
    scheme, rest = found[1].lower(), found[2].strip("/")
    if scheme in ("file", "local"):
        raise InputError("path", "must be given without file://", place, "Give the path alone.")
    if ":" in rest.partition("@")[0].partition("/")[0] and "@" in rest.partition("/")[0]:
        shown = f"{scheme}://..@{rest.partition('@')[2]}"
        remedy = "Pass credentials by the environment, as the store's library reads them."
        raise InputError("address", "must hold no password", shown, remedy)
    if not rest:
        raise InputError("address", "must name a bucket or a folder", place, "Write s3://bucket/x.")
    folder = StoredFolder(f"{scheme}://{rest}")
    _filesystem(folder.address)
    return folder

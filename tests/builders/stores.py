"""A store in memory that fails, and whose listing is old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from equipoise.core import folders


class FlakyStore(MemoryFileSystem):  # type: ignore[misc]
    """Fails every `every`-th request, all after `last`, and lists no file of the newest ten."""

    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cachable = False
    every = 10**9
    last = 10**9
    requests = 0
    stale = 0
    put: ClassVar[list[str]] = []
    lock = Lock()

    def _count(self) -> None:
        with FlakyStore.lock:
            FlakyStore.requests += 1
            count = FlakyStore.requests
        if count % FlakyStore.every == 0 or count > FlakyStore.last:
            raise OSError("the store is busy")

    def info(self, path: str, **given: Any) -> Any:
        self._count()
        return super().info(path, **given)

    def cat_file(self, path: str, start: Any = None, end: Any = None, **given: Any) -> Any:
        self._count()
        return super().cat_file(path, start, end, **given)

    def put_file(self, lpath: str, rpath: str, **given: Any) -> None:
        self._count()
        with open(lpath, "rb") as file:
            self.pipe_file(rpath, file.read())
        FlakyStore.put.append(rpath)

    def rm_file(self, path: str) -> None:
        self._count()
        super().rm_file(path)

    def ls(self, path: str, detail: bool = True, **given: Any) -> Any:
        self._count()
        found = super().ls(path, detail=True, **given)
        newest = sorted((e["created"] for e in found if e["type"] == "file"), reverse=True)
        hidden = set(newest[: FlakyStore.stale])
        kept = [e for e in found if e["type"] != "file" or e["created"] not in hidden]
        return kept if detail else [e["name"] for e in kept]


@contextmanager
def flaky_store() -> Iterator[type[FlakyStore]]:
    """Give a new empty store at `flaky://`, which is asked again without a pause."""
    FlakyStore.store = {}
    FlakyStore.pseudo_dirs = [""]
    FlakyStore.every = FlakyStore.last = 10**9
    FlakyStore.requests = FlakyStore.stale = 0
    FlakyStore.put = []
    fsspec.register_implementation("flaky", FlakyStore, clobber=True)
    folders._filesystem.cache_clear()
    waits, folders._WAITS = folders._WAITS, (0.0, 0.0, 0.0)
    try:
        yield FlakyStore
    finally:
        folders._WAITS = waits

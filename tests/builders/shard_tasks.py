"""A task of shards that writes a file a shard, and can kill its worker or fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from equipoise.core.errors import InputError
from equipoise.core.files import atomic_path
from equipoise.engines import Shard


@dataclass(frozen=True)
class WriteNumbers:
    """Writes the number of each shard, and which process opened the task."""

    folder: Path
    always_deadly: frozenset[int] = frozenset()
    once_deadly: frozenset[int] = frozenset()
    wrong: frozenset[int] = frozenset()

    def open(self) -> Callable[[Shard], None]:
        (self.folder / f"opened-{os.getpid()}").touch(exist_ok=False)
        return self.work

    def work(self, shard: Shard) -> None:
        mark = self.folder / f"tried-{shard.number}"
        if shard.number in self.always_deadly or (
            shard.number in self.once_deadly and not mark.exists()
        ):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if shard.number in self.wrong:
            raise InputError("shard", "must be right", shard.number, "Mend it.")
        (self.folder / f"done-{shard.number}").touch(exist_ok=False)

    @property
    def done(self) -> set[int]:
        return {int(path.name.removeprefix("done-")) for path in self.folder.glob("done-*")}

    @property
    def opened(self) -> int:
        return len(list(self.folder.glob("opened-*")))


@dataclass(frozen=True)
class FailBeside:
    """Shard 0 writes for a minute; shard 1 fails once it does."""

    folder: Path

    def open(self) -> Callable[[Shard], None]:
        return self.work

    def work(self, shard: Shard) -> None:
        if shard.number == 0:
            with atomic_path(self.folder / "large.tar") as part:
                part.write_bytes(b"half")
                time.sleep(60)
        while not list(self.folder.glob(".large.tar.*")):
            time.sleep(0.01)
        raise InputError("shard", "must be right", shard.number, "Mend it.")


@dataclass(frozen=True)
class AskService:
    """Takes a turn to ask a service in each shard, as workers on machines of their own do."""

    folder: Path
    rate: float

    def open(self) -> Callable[[Shard], None]:
        from equipoise.runtimes.http.answer_cache import AnswerCache
        from equipoise.runtimes.http.limiter import Limiter
        from equipoise.runtimes.http.service import RateLimits

        home = self.folder / str(os.getpid())
        home.mkdir()
        limiter = Limiter(AnswerCache(home), "service", RateLimits(self.rate, 1))

        def work(shard: Shard) -> None:
            with limiter.turn(Event()):
                (self.folder / f"{shard.number}.asked").write_text(f"{time.time()} {os.getpid()}")

        return work

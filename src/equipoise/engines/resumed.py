"""The shards of a task that are not done, found as they are asked for, and the count of rows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from equipoise.core.completion import write_failure
from equipoise.core.errors import WorkerError
from equipoise.core.folders import Folder
from equipoise.core.threads import mapped
from equipoise.engines.contract import Finished, Shard, set_aside

_SECONDS_UNSEEN = 60.0
"""How long a machine may not see what another wrote to a shared disk; NFS keeps names for 30 s."""


@dataclass
class ResumedTask:
    """A task of `total` rows in shards of `size`, of which a folder holds some.

    Memory does not grow with the number of shards.

    Attributes
    ----------
    home : Folder
        Where the shards are.
    total, size : int
        At least 1.
    file : callable
        From the number of a shard to the name of its file.
    done_rows : callable
        From a shard to its rows that are done, by its record. Called from several threads.
    report : callable
        Called with rows that are done, and `total`.
    checked : bool
        Whether `done_rows` finds a shard as soon as a worker has done it, and must.
    stored, computed : int
        Rows that were found done, and those that were done since.
    """

    home: Folder
    total: int
    size: int
    file: Callable[[int], str]
    done_rows: Callable[[Shard], int]
    report: Callable[[int, int], None]
    checked: bool = True
    stored: int = 0
    computed: int = 0
    _unseen: deque[tuple[float, Shard]] = field(default_factory=deque, init=False)

    def missing(self) -> Iterator[Shard]:
        """Yield the shards that are not done. Records are read a little in advance."""
        starts = range(0, self.total, self.size)
        shards = (Shard(i, s, min(s + self.size, self.total)) for i, s in enumerate(starts))

        def look(shard: Shard) -> tuple[Shard, int]:
            return shard, self.done_rows(shard)

        many = self.home.at_a_time
        for shard, rows in map(look, shards) if many == 1 else mapped(look, shards, many):
            if rows < shard.rows:
                yield shard
            else:
                self.stored += shard.rows

    def on_rows(self, rows: int) -> None:
        """Count and report rows that were computed."""
        self.computed += rows
        self.report(self.stored + self.computed, self.total)

    def finish(self, ended: Iterable[Finished]) -> None:
        """Count shards as they end, and note those that are set aside.

        Raises
        ------
        WorkerError
            When a worker has done a shard, and this process does not find it. At the end, when some
            were set aside.
        """
        lost: list[Finished] = []
        for one in ended:
            if one.lost:
                lost.append(one)
                file, rows = self.file(one.shard.number), one.shard.rows
                write_failure(self.home, file, rows=rows, total=self.total, reason=one.lost)
            else:
                self._check(one.shard)
                self.on_rows(one.shard.rows)
        if lost:
            raise set_aside(lost)
        self._check_unseen(wait=True)
        self.on_rows(0)

    def _check(self, shard: Shard) -> None:
        """Look for the record of a shard that is done: of each on a disk, of one in a store.

        A disk may be that of one machine among several, and `memory://` that of one process.
        """
        if self.checked and (self.home.at_a_time == 1 or not self.computed):
            if self.done_rows(shard) < shard.rows:
                self._unseen.append((time.monotonic() + _SECONDS_UNSEEN, shard))
            self._check_unseen(wait=False)

    def _check_unseen(self, *, wait: bool) -> None:
        """Look again for shards that were not found: those whose time is over, or all in turn."""
        while self._unseen and (wait or time.monotonic() >= self._unseen[0][0]):
            until, shard = self._unseen.popleft()
            while (missing := self.done_rows(shard) < shard.rows) and time.monotonic() < until:
                time.sleep(0.2)
            if missing:
                raise WorkerError(
                    f"folder {self.home}",
                    "must be one that all workers write to",
                    f"no record of shard {shard.number}, which a worker has done",
                    "Give all workers the same folder: of a shared disk, or s3://bucket/folder.",
                )

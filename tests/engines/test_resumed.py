"""Shards that are not done are found as they are asked for, and memory does not grow with them."""

import itertools
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from equipoise.core.errors import WorkerError
from equipoise.core.folders import LocalFolder
from equipoise.engines import Finished, ResumedTask, Shard
from equipoise.engines import resumed as resumed_module


@dataclass
class Work:
    """Shards of ten rows, some of them done; what was looked at, and what was reported."""

    folder: Path
    total: int
    done: set[int]
    looked: list[int] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)

    def resumed(self) -> ResumedTask:
        return ResumedTask(
            LocalFolder(self.folder), self.total, 10, str, self._done_rows, self._report
        )

    def _done_rows(self, shard: Shard) -> int:
        self.looked.append(shard.number)
        return shard.rows if shard.number in self.done else 0

    def _report(self, rows: int, _: int) -> None:
        self.reported.append(rows)

    def do(self, shards: Iterable[Shard], lost: int = -1) -> Iterator[Finished]:
        for shard in shards:
            if shard.number != lost:
                self.done.add(shard.number)
            yield Finished(shard, "killed" if shard.number == lost else "")


def test_shards_are_looked_at_when_they_are_asked_for_and_those_that_are_done_count(
    tmp_path: Path,
) -> None:
    work = Work(tmp_path, 10**9, {0, 1, 2})
    resumed = work.resumed()
    assert work.looked == []
    first = list(itertools.islice(resumed.missing(), 2))
    assert first == [Shard(3, 30, 40), Shard(4, 40, 50)] and work.looked == [0, 1, 2, 3, 4]
    resumed.on_rows(10)
    assert work.reported == [40] and resumed.computed == 10


def test_the_last_shard_is_shorter_and_a_task_that_is_done_reports_it(tmp_path: Path) -> None:
    work = Work(tmp_path, 25, set())
    resumed = work.resumed()
    resumed.finish(work.do(resumed.missing()))
    assert work.reported == [10, 20, 25, 25]
    whole = Work(tmp_path, 25, {0, 1, 2})
    resumed = whole.resumed()
    resumed.finish(whole.do(resumed.missing()))
    assert whole.reported == [25] and resumed.computed == 0


def test_shards_that_are_set_aside_are_noted_and_named_at_the_end(tmp_path: Path) -> None:
    work = Work(tmp_path, 30, set())
    resumed = work.resumed()
    with pytest.raises(WorkerError, match="shard 1 must be done"):
        resumed.finish(work.do(resumed.missing(), lost=1))
    assert resumed.computed == 20
    assert [path.name for path in tmp_path.iterdir()] == ["1.failed.json"]


def test_a_shard_that_workers_wrote_elsewhere_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumed_module, "_SECONDS_UNSEEN", 0.0)
    resumed = Work(tmp_path, 30, set()).resumed()
    with pytest.raises(WorkerError, match="must be one that all workers write to, got no record"):
        resumed.finish(map(Finished, resumed.missing()))
    assert resumed.computed == 0


def test_a_shard_may_be_seen_a_little_later(tmp_path: Path) -> None:
    work = Work(tmp_path, 40, set())
    resumed = work.resumed()

    def late(shards: Iterable[Shard]) -> Iterator[Finished]:
        for shard in shards:
            yield Finished(shard)
            work.done.add(shard.number)

    resumed.finish(late(resumed.missing()))
    assert resumed.computed == 40 and work.looked.count(0) == 3


def test_memory_does_not_grow_with_the_number_of_shards(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        done = [False]
        resumed = ResumedTask(
            LocalFolder(tmp_path), count, 1, str, lambda _: int(done[0]), lambda *_: None
        )

        def do(shards: Iterable[Shard]) -> Iterator[Finished]:
            for shard in shards:
                done[0] = True
                yield Finished(shard)
                done[0] = False

        tracemalloc.start()
        resumed.finish(do(resumed.missing()))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(20_000) < 2 * peak(100)

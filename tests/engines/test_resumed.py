"""Shards that are not done are found as they are asked for, and memory does not grow with them."""

import itertools
import tracemalloc
from pathlib import Path

import pytest

from equipoise.core.errors import WorkerError
from equipoise.core.folders import LocalFolder
from equipoise.engines import Finished, ResumedTask, Shard


def task(folder: Path, total: int, done: int = 0) -> tuple[ResumedTask, list[int], list[int]]:
    """Shards of ten rows, the first of them done; what was looked at, and what was reported."""
    looked: list[int] = []
    reported: list[int] = []

    def done_rows(shard: Shard) -> int:
        looked.append(shard.number)
        return shard.rows if shard.number < done else 0

    found = ResumedTask(
        LocalFolder(folder), total, 10, str, done_rows, lambda rows, _: reported.append(rows)
    )
    return found, looked, reported


def test_shards_are_looked_at_when_they_are_asked_for_and_those_that_are_done_count(
    tmp_path: Path,
) -> None:
    resumed, looked, reported = task(tmp_path, 10**9, done=3)
    assert looked == []
    first = list(itertools.islice(resumed.missing(), 2))
    assert first == [Shard(3, 30, 40), Shard(4, 40, 50)] and looked == [0, 1, 2, 3, 4]
    resumed.on_rows(10)
    assert reported == [40] and resumed.computed == 10


def test_the_last_shard_is_shorter_and_a_task_that_is_done_reports_it(tmp_path: Path) -> None:
    resumed, _, reported = task(tmp_path, 25)
    resumed.finish(map(Finished, resumed.missing()))
    assert reported == [10, 20, 25, 25]
    whole, _, reported = task(tmp_path, 25, done=3)
    whole.finish(map(Finished, whole.missing()))
    assert reported == [25] and whole.computed == 0


def test_shards_that_are_set_aside_are_noted_and_named_at_the_end(tmp_path: Path) -> None:
    resumed, _, _ = task(tmp_path, 30)
    ended = (Finished(s, "killed" if s.number == 1 else "") for s in resumed.missing())
    with pytest.raises(WorkerError, match="shard 1 must be done"):
        resumed.finish(ended)
    assert resumed.computed == 20
    assert [path.name for path in tmp_path.iterdir()] == ["1.failed.json"]


def test_memory_does_not_grow_with_the_number_of_shards(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        resumed = ResumedTask(LocalFolder(tmp_path), count, 1, str, lambda _: 0, lambda *_: None)
        tracemalloc.start()
        resumed.finish(map(Finished, resumed.missing()))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(20_000) < 2 * peak(100)

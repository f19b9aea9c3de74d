"""Every engine does each shard once, outlives its workers, and passes errors on."""

import pickle
import tracemalloc
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from equipoise.core.errors import InputError, WorkerError
from equipoise.engines import (
    Engine,
    Finished,
    OnExecutor,
    Processes,
    RayActors,
    Shard,
    ShardTask,
    open_engine,
    processes,
    run,
)
from tests.builders.clusters import dask_client
from tests.builders.shard_tasks import FailBeside, WriteNumbers

ROOT = Path(__file__).parents[2]


def shards(count: int) -> list[Shard]:
    return [Shard(i, 10 * i, 10 * i + 10) for i in range(count)]


def assert_portable(task: ShardTask) -> None:
    """A task that is pickled for each shard is opened once in a worker: copies are equal."""
    copy = pickle.loads(pickle.dumps(task))
    assert copy == task and hash(copy) == hash(task)


@pytest.fixture(
    params=[
        *("processes", "executor"),
        pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.extras("ray")]),
        pytest.param("dask", marks=[pytest.mark.slow, pytest.mark.extras("distributed")]),
    ]
)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Engines that go on when a worker is lost; threads cannot be."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}", prepend=":")
    if request.param == "processes":
        yield Processes(2)
    elif request.param == "executor":
        with ThreadPoolExecutor(2) as executor:
            yield OnExecutor(executor, 4)
    elif request.param == "ray":
        import ray

        yield RayActors(2)
        ray.shutdown()
    else:
        with dask_client() as client:
            yield OnExecutor(client.get_executor(retries=0), 2)


def test_each_shard_is_done_once_and_each_worker_opens_the_task_once(
    engine: Engine, tmp_path: Path
) -> None:
    task = WriteNumbers(tmp_path)
    ended = list(run(engine, task, iter(shards(9))))
    assert sorted(found.shard.number for found in ended) == list(range(9))
    assert not any(found.lost for found in ended)
    assert task.done == set(range(9))
    assert task.opened <= 2


def test_an_error_of_the_work_reaches_the_caller_and_shards_stay_done(
    engine: Engine, tmp_path: Path
) -> None:
    task = WriteNumbers(tmp_path, wrong=frozenset({4}))
    with pytest.raises(InputError, match=r"shard must be right, got 4\. Mend it\.") as caught:
        list(run(engine, task, shards(60)))
    assert "in work" in "".join(caught.value.__notes__)
    assert len(task.done & {0, 1, 2, 3}) >= 3, "one may have been under way"
    assert len(task.done) < 59


def test_a_lost_worker_costs_its_shard_a_try_and_a_deadly_shard_is_set_aside(
    engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["engine"] == "executor":
        pytest.skip("a thread cannot be killed")
    if request.node.callspec.params["engine"] == "dask":
        pytest.skip("Dask tries a shard again by itself: see the page")
    task = WriteNumbers(tmp_path, always_deadly=frozenset({3}), once_deadly=frozenset({1}))
    ended = list(run(engine, task, shards(8)))
    assert task.done == {0, 1, 2, 4, 5, 6, 7}
    assert [found.shard.number for found in ended if found.lost] == [3]


def test_a_signal_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    task = WriteNumbers(tmp_path, always_deadly=frozenset({0}))
    ended = list(run(Processes(1), task, shards(1)))
    assert ended == [Finished(Shard(0, 0, 10), "a worker that was killed by SIGKILL")]


def test_workers_that_lose_every_shard_stop_the_run(tmp_path: Path) -> None:
    class Broken:
        def submit(self, *_: object) -> object:
            return self

        def done(self) -> bool:
            return True

        def exception(self) -> Exception:
            return RuntimeError("no node is left")

    with pytest.raises(WorkerError, match=r"without the loss of 3 workers, got .*no node is left"):
        list(run(OnExecutor(Broken(), 1), WriteNumbers(tmp_path), shards(1000)))


def test_processes_that_are_ended_leave_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    with pytest.raises(InputError, match="must be right"):
        list(run(Processes(2), FailBeside(tmp_path), iter(shards(2))))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_start_again_is_a_lost_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    task = WriteNumbers(tmp_path, always_deadly=frozenset({1}))
    ended = run(Processes(1), task, shards(9))
    assert next(ended) == Finished(shards(1)[0])
    monkeypatch.setattr(processes, "_SERVE", "raise SystemExit(3) # {} {}")
    with pytest.raises(WorkerError, match=r"without the loss of 3 workers, got .*status 3"):
        list(ended)
    assert task.done == {0}


def test_a_worker_that_never_starts_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SERVE", "raise SystemExit(3) # {} {}")
    with pytest.raises(WorkerError, match=r"process of a worker must start, got .*status 3"):
        list(run(Processes(2), WriteNumbers(tmp_path), shards(9)))


def test_an_executor_that_breaks_for_good_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    task = WriteNumbers(tmp_path, always_deadly=frozenset({0}))
    with ProcessPoolExecutor(1) as executor, pytest.raises(WorkerError, match="BrokenProcessPool"):
        list(run(OnExecutor(executor, 1), task, shards(5)))


def test_what_hands_out_shards_does_not_grow_with_their_number(tmp_path: Path) -> None:
    class AtOnce:
        """Workers that do nothing, at once."""

        count = 32

        def __init__(self) -> None:
            self.under_way: deque[Shard] = deque()
            self.submit = self.under_way.append

        def start(self, task: ShardTask) -> "AtOnce":
            return self

        def wait(self) -> tuple[Shard, None]:
            return self.under_way.popleft(), None

        def close(self) -> None:
            assert not self.under_way

    def peak(count: int) -> int:
        tracemalloc.start()
        numbers = (Shard(i, i, i + 1) for i in range(count))
        assert sum(1 for _ in run(AtOnce(), WriteNumbers(tmp_path), numbers)) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(10_000) < 2 * peak(100)


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("dask", {}, "engine must be one of threads, processes, ray, got dask"),
        ("processes", {"address": "auto"}, "address must be given with engine ray, got auto"),
        ("threads", {"gpus_per_worker": 0.5}, "gpus-per-worker must be at least 0, with .* 0.5"),
        ("ray", {"gpus_per_worker": -1.0}, "gpus-per-worker must be at least 0, with .* -1.0"),
    ],
)
def test_what_means_nothing_to_an_engine_is_refused(
    name: str, given: dict[str, object], error: str
) -> None:
    with pytest.raises(InputError, match=error):
        open_engine(name, **given)  # type: ignore[arg-type]


def test_threads_need_no_engine() -> None:
    assert open_engine("threads") is None

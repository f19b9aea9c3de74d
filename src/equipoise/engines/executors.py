"""Workers of any `concurrent.futures.Executor`: Dask, submitit, MPI, Parsl, or Python's own."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from typing import Any

from equipoise.core.errors import WorkerError, check_count
from equipoise.engines.contract import LostWorkerError, Shard, ShardTask, attempt

_SECONDS_BETWEEN_LOOKS = 0.01


@dataclass(frozen=True)
class OnExecutor:
    """An executor that the caller has opened, and closes.

    An exception of a future counts as the loss of its worker. The executor must go on after one:
    Dask's does, Python's `ProcessPoolExecutor` does not.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Only `submit` is used, and `done` and `exception` of what it returns.
    workers : int
        Shards that are handed over at a time. Twice the workers keep each of them busy.
    """

    executor: Any
    workers: int

    def start(self, task: ShardTask) -> _ExecutorWorkers:
        """Take the executor's workers as they are."""
        return _ExecutorWorkers(task, check_count("workers", self.workers, "Pass 8."), self)


@dataclass
class _ExecutorWorkers:
    task: ShardTask
    count: int
    on: OnExecutor
    under_way: dict[Any, Shard] = field(default_factory=dict)

    def submit(self, shard: Shard) -> None:
        try:
            future = self.on.executor.submit(attempt, self.task, shard)
        except BrokenExecutor as error:
            raise WorkerError(
                "executor",
                "must go on after the loss of a worker",
                f"{type(error).__name__}: {error}"[:500],
                "Use equipoise.engines.Processes, or open another executor and run again.",
            ) from error
        self.under_way[future] = shard

    def wait(self) -> tuple[Shard, Exception | None]:
        # Not every executor's futures know `concurrent.futures.wait`.
        while not (ended := next((f for f in self.under_way if f.done()), None)):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        shard = self.under_way.pop(ended)
        error = ended.exception()
        if error is not None:
            return shard, LostWorkerError(f"{type(error).__name__}: {error}")
        return shard, ended.result()

    def close(self) -> None:
        for future in self.under_way:
            future.cancel()

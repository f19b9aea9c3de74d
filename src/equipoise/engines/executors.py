"""Workers of any `concurrent.futures.Executor`: Dask, submitit, MPI, Parsl, or Python's own."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from equipoise.core.errors import WorkerError, check_count
from equipoise.engines.contract import LostWorkerError, Shard, ShardTask, attempt

_SECONDS_BETWEEN_LOOKS = 0.1
"""How often futures are asked that cannot say by themselves that they ended, as submitit's."""


@dataclass(frozen=True)
class OnExecutor:
    """An executor that the caller has opened, and closes.

    An exception of a future counts as the loss of its worker. The executor must go on after one:
    Dask's does, Python's `ProcessPoolExecutor` does not.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Only `submit` is used, and of what it returns `done`, `exception`, `result`, and
        `add_done_callback` where there is one.
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
    ended: SimpleQueue[Any] = field(default_factory=SimpleQueue)

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
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(self.ended.put)

    def wait(self) -> tuple[Shard, Exception | None]:
        ended = self._next()
        shard = self.under_way.pop(ended)
        error = ended.exception()
        if error is not None:
            return shard, LostWorkerError(f"{type(error).__name__}: {error}")
        return shard, ended.result()

    def _next(self) -> Any:
        """Return a future that ended. One executor's futures all say so, or none does."""
        if hasattr(next(iter(self.under_way)), "add_done_callback"):
            return self.ended.get()
        while not (ended := next((f for f in self.under_way if f.done()), None)):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return ended

    def close(self) -> None:
        for future in self.under_way:
            future.cancel()

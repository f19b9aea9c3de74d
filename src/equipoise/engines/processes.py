"""Workers that are processes of this machine, one a GPU where there are some."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from equipoise.core.errors import WorkerError
from equipoise.core.threads import set_threads, thread_count, thread_variables, worker_count
from equipoise.engines.contract import LostWorkerError, Shard, ShardTask, attempt

_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Processes:
    """Processes of this machine.

    Attributes
    ----------
    workers : int or None
        Processes; None for one a core. They share the threads of `equipoise.core.threads`.
    gpus_per_worker : float
        Share of a GPU that each takes; 0 leaves `CUDA_VISIBLE_DEVICES` as it is.
    """

    workers: int | None = None
    gpus_per_worker: float = 0.0

    def start(self, task: ShardTask) -> _ProcessWorkers:
        """Start nothing yet: a process starts with its first shard."""
        return _ProcessWorkers(task, worker_count(self.workers), self.gpus_per_worker)


def gpu_of(worker: int, gpus_per_worker: float, visible: list[str]) -> str:
    """Return the GPUs of a worker, by its number, as `CUDA_VISIBLE_DEVICES` names them.

    GPUs are filled one after the other, each by as many workers as its whole holds. A worker that
    takes more than one has them for itself.

    Examples
    --------
    >>> [gpu_of(i, 0.5, ["0", "1"]) for i in range(5)]
    ['0', '0', '1', '1', '0']
    >>> [gpu_of(i, 0.7, ["0", "1"]) for i in range(3)], gpu_of(1, 2, ["0", "1", "2", "3"])
    (['0', '1', '0'], '2,3')
    """
    # A third and a third and a third are one.
    sharing = int(1 / gpus_per_worker + 1e-9)
    count = 1 if sharing else math.ceil(gpus_per_worker - 1e-9)
    first = worker // sharing if sharing else worker * count
    return ",".join(visible[(first + i) % len(visible)] for i in range(min(count, len(visible))))


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    shard: Shard | None = None
    started: bool = False


@dataclass
class _ProcessWorkers:
    task: ShardTask
    count: int
    gpus_per_worker: float
    alive: dict[int, _Worker] = field(default_factory=dict)
    any_started: bool = False

    def submit(self, shard: Shard) -> None:
        numbers = range(self.count)
        free = [n for n in numbers if n not in self.alive or self.alive[n].shard is None]
        started = [n for n in free if n in self.alive]
        number = (started or free)[0]
        if number not in self.alive:
            self.alive[number] = self._start(number)
        worker = self.alive[number]
        worker.shard = shard
        # A worker that has just died is noticed by `wait`.
        try:
            worker.pipe.send(shard)
        except OSError:
            return

    def _start(self, number: int) -> _Worker:
        threads = max(1, thread_count() // self.count)
        environment = {**os.environ, **thread_variables(threads)}
        if self.gpus_per_worker and (visible := visible_gpus()):
            environment["CUDA_VISIBLE_DEVICES"] = gpu_of(number, self.gpus_per_worker, visible)
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE.format(sys.path, theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        pipe = Connection(ours.detach())
        # One that dies at once is noticed by `wait`, as one that dies later.
        with contextlib.suppress(OSError):
            pipe.send((threads, self.task))
        return _Worker(process, pipe)

    def wait(self) -> tuple[Shard, Exception | None]:
        while True:
            busy = {w.pipe: n for n, w in self.alive.items() if w.shard is not None}
            number = busy[wait(list(busy))[0]]  # type: ignore[index]
            worker = self.alive[number]
            assert worker.shard is not None
            try:
                found = worker.pipe.recv()
            except (EOFError, OSError):
                del self.alive[number]
                worker.pipe.close()
                ending = _ending(worker.process)
                if not self.any_started:
                    raise WorkerError(
                        "process of a worker",
                        "must start",
                        ending,
                        "Run the command with --engine threads to see why.",
                    ) from None
                return worker.shard, LostWorkerError(ending)
            if not worker.started:
                worker.started = self.any_started = True
                continue
            shard, worker.shard = worker.shard, None
            return shard, found

    def close(self) -> None:
        for worker in self.alive.values():
            worker.pipe.close()
            if worker.shard is not None:
                worker.process.terminate()
        for worker in self.alive.values():
            try:
                worker.process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def _ending(process: subprocess.Popen[bytes]) -> str:
    """Return how a process ended, in words."""
    try:
        code = process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code >= 0:
        return f"a worker that ended with status {code}"
    try:
        return f"a worker that was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"a worker that was killed by signal {-code}"


_SERVE = "import sys; sys.path[:] = {}; from equipoise.engines import processes as p; p.serve({})"


def serve(descriptor: int) -> None:
    """Do shards that come through a pipe, until it is closed; the main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it.
    # What is half written goes before the process does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    pipe = Connection(descriptor)
    try:
        threads, task = pipe.recv()
        set_threads(threads)
        pipe.send(None)
        while True:
            pipe.send(attempt(task, pipe.recv()))
    except (EOFError, OSError):
        return

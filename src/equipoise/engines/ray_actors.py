"""Workers that are actors of a Ray cluster. Ray is imported when they start."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from equipoise.core.errors import WorkerError
from equipoise.core.plugins import install, load_library
from equipoise.core.threads import chosen_threads, set_threads, thread_count, worker_count
from equipoise.core.turns import Turns, share_turns
from equipoise.engines.contract import TRIES, LostWorkerError, Shard, ShardTask, attempt

_SECONDS_TO_START = 600.0
"""How long a cluster may take to find room for the first actor."""


@dataclass(frozen=True)
class RayActors:
    """Actors of a Ray cluster. Every node must reach the files that the task names.

    Actors share the threads of `equipoise.core.threads`. On a cluster, where its cores say nothing
    of other machines, each has one unless a number was chosen.

    Attributes
    ----------
    workers : int or None
        Actors; None for one a core of this machine.
    address : str or None
        Of the cluster, "auto" for the one that this machine belongs to. None starts one on this
        machine, which ends with the process.
    gpus_per_worker : float
        Share of a GPU that each takes.
    """

    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0

    def start(self, task: ShardTask) -> _RayWorkers:
        """Connect to the cluster, and ask for the actors.

        Raises
        ------
        InputError
            When Ray is not installed.
        WorkerError
            When there is no cluster at the address, or this process belongs to another.
        """
        ray = load_library("engine ray", "ray", f"{install('ray')}, or pass --engine processes.")
        count = worker_count(self.workers)
        local: dict[str, Any] = {}
        if self.address is None:
            local = {"num_cpus": count, "include_dashboard": False}
        if ray.is_initialized():
            self._check_connected(ray)
        else:
            try:
                ray.init(address=self.address or "local", log_to_driver=False, **local)
            except (ConnectionError, ValueError) as error:
                raise WorkerError(
                    "address",
                    "must be that of a Ray cluster",
                    f"{self.address}: {error}"[:500],
                    "Leave it out to start one on this machine.",
                ) from error
        one_machine = self.address is None and len(ray.nodes()) == 1
        shared = thread_count() if one_machine else chosen_threads() or count
        threads = max(1, shared // count)
        # Where it is lost, another goes on: pauses that services asked for are then forgotten.
        keeper = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Turns).remote()
        cores = 1 if one_machine else threads
        remote = ray.remote(num_cpus=cores, num_gpus=self.gpus_per_worker, max_restarts=0)(_Actor)
        return _RayWorkers(ray, count, lambda: remote.remote(task, threads, keeper), keeper)

    def _check_connected(self, ray: Any) -> None:
        connected = str(ray.get_runtime_context().gcs_address)
        if self.address not in {None, "auto", connected} and "://" not in str(self.address):
            raise WorkerError(
                "address",
                f"must be {connected}, of the cluster that this process belongs to",
                self.address,
                "Leave it out, or call ray.shutdown() first.",
            )


class _Actor:
    """Does shards in a process of its own."""

    def __init__(self, task: ShardTask, threads: int, keeper: Any) -> None:
        set_threads(threads)
        share_turns(_SharedTurns(keeper))
        self._task = task

    def ready(self) -> None:
        """Return when the actor has started."""

    def attempt(self, shard: Shard) -> Exception | None:
        """Do a shard, and return what it raised."""
        return attempt(self._task, shard)


class _SharedTurns:
    """Turns of all actors, kept by one."""

    def __init__(self, keeper: Any) -> None:
        self._ray = load_library("engine ray", "ray", f"{install('ray')}.")
        self._keeper = keeper

    def turn(self, service: str, gap: float) -> float:
        return float(self._ray.get(self._keeper.turn.remote(service, gap)))

    def pause(self, service: str, seconds: float) -> None:
        self._ray.get(self._keeper.pause.remote(service, seconds))


@dataclass
class _RayWorkers:
    ray: Any
    count: int
    make: Any
    keeper: Any
    starting: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, Shard]] = field(default_factory=dict)
    waiting: deque[Shard] = field(default_factory=deque)
    failed: int = 0

    def __post_init__(self) -> None:
        for _ in range(self.count):
            self._start()

    def _start(self) -> None:
        actor = self.make()
        self.starting[actor.ready.remote()] = actor

    def submit(self, shard: Shard) -> None:
        self.waiting.append(shard)

    def wait(self) -> tuple[Shard, Exception | None]:
        while True:
            while self.idle and self.waiting:
                actor, shard = self.idle.pop(), self.waiting.popleft()
                self.busy[actor.attempt.remote(shard)] = actor, shard
            # An actor that the cluster has no room for yet is waited for only where none works.
            limit = None if self.busy else _SECONDS_TO_START
            ended, _ = self.ray.wait([*self.busy, *self.starting], num_returns=1, timeout=limit)
            if not ended:
                raise WorkerError(
                    "workers",
                    f"must find room in the cluster within {_SECONDS_TO_START:.0f} s",
                    f"resources {self.ray.available_resources()}"[:500],
                    "Lower --workers or --gpus-per-worker.",
                )
            if ended[0] in self.starting:
                self._started(ended[0])
                continue
            actor, shard = self.busy.pop(ended[0])
            try:
                error = self.ray.get(ended[0])
            except self.ray.exceptions.RayError as lost:
                self._start()
                return shard, LostWorkerError(str(lost))
            self.idle.append(actor)
            return shard, error

    def _started(self, reference: Any) -> None:
        actor = self.starting.pop(reference)
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self.failed += 1
            if self.failed == TRIES * self.count:
                raise WorkerError(
                    "actors of Ray",
                    "must start",
                    str(error)[:500],
                    "Install the same equipoise on every node.",
                ) from error
            self._start()
            return
        self.failed = 0
        self.idle.append(actor)

    def close(self) -> None:
        actors = [*self.idle, *self.starting.values(), *(actor for actor, _ in self.busy.values())]
        for actor in [*actors, self.keeper]:
            self.ray.kill(actor)

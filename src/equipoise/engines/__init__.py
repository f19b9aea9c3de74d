"""Where shards of work run: processes, Ray, any `concurrent.futures.Executor`.

Threads of this process are the default, and need no engine: `equipoise.core.parallel`.
"""

from __future__ import annotations

from equipoise.core.errors import InputError
from equipoise.core.progress import Engine
from equipoise.engines.contract import (
    Finished,
    Shard,
    ShardTask,
    by_address,
    check_opened,
    run,
    set_aside,
)
from equipoise.engines.executors import OnExecutor
from equipoise.engines.inputs import ShardInputs
from equipoise.engines.processes import Processes
from equipoise.engines.ray_actors import RayActors
from equipoise.engines.resumed import ResumedTask

__all__ = [
    "ENGINES",
    "Engine",
    "Finished",
    "OnExecutor",
    "Processes",
    "RayActors",
    "ResumedTask",
    "Shard",
    "ShardInputs",
    "ShardTask",
    "by_address",
    "check_opened",
    "open_engine",
    "run",
    "set_aside",
]

ENGINES = ("threads", "processes", "ray")
"""Names of the engines of the command line."""


def open_engine(
    name: str,
    *,
    workers: int | None = None,
    address: str | None = None,
    gpus_per_worker: float = 0.0,
) -> Engine | None:
    """Return the engine of a name; None for threads of this process.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    workers : int, optional
        Processes or actors; one a core by default.
    address : str, optional
        Of a Ray cluster; see `RayActors`.
    gpus_per_worker : float
        Share of a GPU that each worker takes, at least 0.

    Raises
    ------
    InputError
        When there is no such engine, or an argument means nothing to it.
    """
    if name not in ENGINES:
        raise InputError("engine", f"must be one of {', '.join(ENGINES)}", name, "Correct it.")
    if address is not None and name != "ray":
        raise InputError("address", "must be given with engine ray", address, "Leave it out.")
    if not gpus_per_worker >= 0 or (gpus_per_worker and name == "threads"):
        raise InputError(
            "gpus-per-worker",
            "must be at least 0, with engine processes or ray",
            gpus_per_worker,
            "Leave it out.",
        )
    if name == "processes":
        return Processes(workers, gpus_per_worker)
    return RayActors(workers, address, gpus_per_worker) if name == "ray" else None

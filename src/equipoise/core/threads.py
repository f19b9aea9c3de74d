"""How many threads this process computes with: one number for every library.

It is the number of workers of `equipoise.core.parallel`, and of the threads of PyTorch and BLAS.
ONNX Runtime and LiteRT always compute with one thread a worker. Threads that wait must sleep rather
than spin: on a shared machine, spinning takes the time of the others.
"""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from equipoise.core.errors import check_count

_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Variables by which libraries learn the number when they are loaded."""

_SLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4"}
"""Variables by which waiting threads of OpenMP and OpenBLAS sleep at once (2**4 cycles)."""

_chosen: int | None = None


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, and the quota of its cgroup.

    A quota of 1.5 cores counts as 2.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cgroup_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cgroup_quota(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float | None:
    """Return the cores that the cgroups of this process allow, or None where none limits them.

    Parameters
    ----------
    groups : Path
        The groups of the process, a line each: number, controllers, path (cgroups(7)).
    root : Path
        Where cgroups are mounted: the second version there, the first in `root`/cpu.

    Returns
    -------
    float or None
        The least of the limits of its groups and of those above them.
    """
    found: list[float] = []
    for line in _text(groups).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        home = root / "cpu" if controllers else root
        inner = (home / path.lstrip("/")).resolve()
        for place in (inner, *inner.parents):
            if not place.is_relative_to(home):
                break
            found += _limit(place, bool(controllers))
    return min(found, default=None)


def _limit(place: Path, first_version: bool) -> list[float]:
    """Return the limit of one group, in cores, as a list of at most one number."""
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if first_version else ("cpu.max",)
    words = " ".join(_text(place / name) for name in names).split()
    try:
        quota, period = map(float, words)
    except ValueError:  # No such file, or the word "max".
        return []
    return [quota / period] if quota > 0 and period > 0 else []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[: 2**16]
    except OSError:
        return ""


def thread_count() -> int:
    """Return the number that `set_threads` was given; all usable cores by default."""
    return _chosen or usable_cores()


def chosen_threads() -> int | None:
    """Return the number that `set_threads` was given; None where it was given none."""
    return _chosen


def worker_count(workers: int | None) -> int:
    """Return `workers`, or for None the number of threads of this process (`thread_count`).

    Raises
    ------
    InputError
        When it is not a whole number of at least 1.
    """
    if workers is not None:
        return check_count("workers", workers, "Leave it out to use all cores.")
    return thread_count()


def thread_variables(count: int | None = None) -> dict[str, str]:
    """Return the variables by which a new process computes with that many threads.

    Parameters
    ----------
    count : int, optional
        By default `thread_count`, except where a variable is set already.
    """
    numbers = {name: str(count or os.environ.get(name) or thread_count()) for name in _COUNTS}
    return {**numbers, **{name: os.environ.get(name, value) for name, value in _SLEEP.items()}}


def set_threads(count: int | None = None) -> None:
    """Set the number of threads of this process, and of processes that it starts.

    Call it before PyTorch and NumPy are imported: threads of OpenMP and OpenBLAS then sleep while
    they wait. Later, a number that is given still holds.

    Parameters
    ----------
    count : int, optional
        By default all usable cores, except where a variable such as OMP_NUM_THREADS says otherwise.

    Raises
    ------
    InputError
        When it is not a whole number of at least 1.
    """
    global _chosen
    if count is not None:
        count = check_count("threads", count, "Leave it out to use all cores.")
    _chosen = count
    os.environ.update(thread_variables(count))
    if count is None:
        return
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(count, user_api="blas")


Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    initializer: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, as threads compute them.

    Items are taken in the caller's thread, so the iterable may have state. At most 2 * threads
    results are waiting at a time. When the caller stops early, or the function raises, calls that
    have not begun are dropped.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int
        At least 1.
    initializer : callable, optional
        Called once in each thread.

    Examples
    --------
    >>> list(mapped(abs, [-1, 2, -3], 2))
    [1, 2, 3]
    """
    pending: deque[Future[Result]] = deque()
    queue = iter(items)
    pool = ThreadPoolExecutor(threads, initializer=initializer)
    try:
        pending.extend(pool.submit(function, item) for item in islice(queue, 2 * threads))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(queue, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

"""Batches on all cores, results in order.

Each worker is a thread that runs whole batches with one compute thread of its own: generators and
classifiers release the interpreter lock, whole batches side by side beat layers split over cores,
and the arithmetic of a batch is the same for any number of workers.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar, cast

import torch
from threadpoolctl import ThreadpoolController

from equipoise.core.errors import check_count
from equipoise.core.seeds import BLOCK_ROWS

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count(workers: int | None) -> int:
    """Return `workers`, or the number of cores that this process may use."""
    if workers is not None:
        return check_count("workers", workers, "Leave it out to use all cores.")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, with at most 2 * workers results waiting.

    Items are taken from one thread, the caller's, so making them may be stateful. When the caller
    stops early, or an item raises, work that has not begun is dropped.
    """
    count = worker_count(workers)
    threads_before = torch.get_num_threads()
    pending: deque[Future[Result]] = deque()
    queue = iter(items)
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        pending.extend(pool.submit(function, item) for item in islice(queue, 2 * count))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in islice(queue, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads_before)


def ahead(items: Iterable[Item], size: int) -> Generator[Item, None, None]:
    """Yield items of `size` codes each, made in a thread of their own, a block or so in advance.

    Codes come in blocks, which take long where few candidates are accepted; while one is made,
    workers find the last one's batches ready. An error in making an item is raised where it would
    have been yielded.
    """
    ready: Queue[tuple[bool, Item | BaseException | None]] = Queue(BLOCK_ROWS // size + 2)
    stopped = Event()

    def give(last: bool, item: Item | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                ready.put((last, item), timeout=0.1)
                return

    def make() -> None:
        try:
            for item in items:
                give(False, item)
                if stopped.is_set():
                    return
            give(True, None)
        except BaseException as error:
            give(True, error)

    maker = Thread(target=make, daemon=True)
    maker.start()
    try:
        while True:
            last, item = ready.get()
            if last:
                if isinstance(item, BaseException):
                    raise item
                return
            yield cast(Item, item)
    finally:
        stopped.set()
        maker.join()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside, whose rounding does not depend on the machine's cores.

    It holds for Torch in this thread, and for NumPy's matrix products in all.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def batches(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of batches of `size` rows that cover [start, stop).

    Examples
    --------
    >>> batches(0, 5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(low, min(low + size, stop)) for low in range(start, stop, size)]

"""Run batches on all cores, with results in order.

Each worker is a thread that runs whole batches, and computes with one thread. Generators and
classifiers release the interpreter lock, so workers run in parallel. This is faster than splitting
each layer over the cores, and a batch gives the same numbers for any number of workers. The
machine is not given more threads than `equipoise.core.threads` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from queue import Full, Queue
from threading import Event, Lock, Thread
from typing import Any, TypeVar, cast

import torch
from threadpoolctl import ThreadpoolController

from equipoise.core.seeds import BLOCK_ROWS
from equipoise.core.threads import mapped, worker_count

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order.

    Items are taken in the caller's thread, and results are bounded, as `mapped` says.

    Parameters
    ----------
    function : callable
        Called in the workers.
    items : iterable
    workers : int, optional
        Number of threads; by default `equipoise.core.threads.thread_count`.

    Raises
    ------
    InputError
        When `workers` breaks its rule.
    """
    count = worker_count(workers)
    threads_before = torch.get_num_threads()
    _single_blas.begin()
    try:
        yield from mapped(function, items, count, lambda: torch.set_num_threads(1))
    finally:
        _single_blas.end()
        torch.set_num_threads(threads_before)


def ahead(items: Iterable[Item], size: int) -> Generator[Item, None, None]:
    """Yield items that another thread takes from the iterable, about a block of codes in advance.

    Codes come in blocks, which take long when few candidates are accepted. Workers are thus kept
    busy with the batches of one block while the next is made. When the iterable raises, the error
    is raised here in place of that item.

    Parameters
    ----------
    items : iterable
    size : int
        Codes in one item.
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
    """Return a context in which numbers are computed by one thread.

    Rounding inside does not depend on the number of cores. The limit holds for PyTorch in this
    thread, and for NumPy's matrix products in all threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    _single_blas.begin()
    try:
        yield
    finally:
        _single_blas.end()
        torch.set_num_threads(before)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


class _SingleBlas:
    """Holds BLAS to one thread while anyone asks for it; it is one number for all threads."""

    def __init__(self) -> None:
        self._lock, self._users, self._limit = Lock(), 0, cast(Any, None)

    def begin(self) -> None:
        with self._lock:
            if not self._users:
                self._limit = _libraries().limit(limits=1, user_api="blas")
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


_single_blas = _SingleBlas()


def batches(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of batches of `size` rows that cover [start, stop).

    Examples
    --------
    >>> batches(0, 5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(low, min(low + size, stop)) for low in range(start, stop, size)]

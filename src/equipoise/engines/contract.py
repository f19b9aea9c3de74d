"""The contract of engines: shards of work, workers that do them, and lost workers.

A shard is a range of rows. Row i depends on (seed, i) alone, so a shard has the same bytes wherever
it is done, and may be done again. Workers write their shards themselves; only the number of a
finished shard comes back.
"""

from __future__ import annotations

import pickle
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Protocol, TypeVar

from equipoise.core.errors import InputError, WorkerError
from equipoise.core.progress import Engine
from equipoise.core.resumable import alike

TRIES = 3
"""Workers that a shard may lose before it is set aside, and shards in a row that may be set aside
before the run stops; chosen by hand."""


@dataclass(frozen=True)
class Shard:
    """Rows start to stop - 1 of a task."""

    number: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.stop - self.start


class ShardTask(Protocol):
    """A description of work that can be pickled and hashed: addresses and settings, no models."""

    def open(self) -> Callable[[Shard], None]:
        """Open the models, once in each worker, and return what does one shard.

        It writes its result whole or not at all, and may be called again for the same shard.
        """
        ...

    def __hash__(self) -> int:
        """Return the same for equal tasks."""
        ...


class LostWorkerError(Exception):
    """A worker died. It reaches the caller as a shard that is set aside."""


class Workers(Protocol):
    """Running workers of one task.

    Attributes
    ----------
    count : int
        Shards that may be under way at a time.
    """

    count: int

    def submit(self, shard: Shard) -> None:
        """Hand a shard to a worker."""
        ...

    def wait(self) -> tuple[Shard, Exception | None]:
        """Return the next shard that ended, with what its work raised.

        `LostWorkerError` stands for the death of its worker. It is called only while shards are
        under way.
        """
        ...

    def close(self) -> None:
        """End all workers."""
        ...


@dataclass(frozen=True)
class Finished:
    """A shard that ended.

    Attributes
    ----------
    shard : Shard
    lost : str
        Why the shard was set aside; empty where it is done.
    """

    shard: Shard
    lost: str = ""


def run(
    engine: Engine, task: ShardTask, shards: Iterable[Shard]
) -> Generator[Finished, None, None]:
    """Do shards on the workers of an engine, and yield each as it ends, in any order.

    A shard whose worker is lost goes to another. One that loses `TRIES` workers is set aside, and
    the rest goes on. The iterable is read as workers become free, so its length does not matter.

    Raises
    ------
    WorkerError
        When `TRIES` shards in a row are set aside: the workers themselves are broken.
    Exception
        What the work of a shard raises. Shards that were done are kept.
    """
    lost: Counter[int] = Counter()
    waiting, under_way, in_a_row = iter(shards), 0, 0
    first = next(waiting, None)
    if first is None:
        return  # No worker starts for nothing.
    again: deque[Shard] = deque([first])
    workers: Workers = engine.start(task)
    try:
        while True:
            while under_way < workers.count:
                shard = again.popleft() if again else next(waiting, None)
                if shard is None:
                    break
                workers.submit(shard)
                under_way += 1
            if not under_way:
                return
            shard, error = workers.wait()
            under_way -= 1
            if error is None:
                in_a_row = 0
                yield Finished(shard)
            elif not isinstance(error, LostWorkerError):
                raise error
            else:
                lost[shard.number] += 1
                if lost[shard.number] < TRIES:
                    again.append(shard)
                    continue
                in_a_row += 1
                yield Finished(shard, str(error))
                if in_a_row == TRIES:
                    raise set_aside([Finished(shard, str(error))])
    finally:
        workers.close()


_SHOWN = 5


def set_aside(shards: list[Finished]) -> WorkerError:
    """Return the error that names shards which lost their workers."""
    named = ", ".join(str(found.shard.number) for found in shards[:_SHOWN])
    more = f" and {len(shards) - _SHOWN} more" if len(shards) > _SHOWN else ""
    return WorkerError(
        f"shard {named}{more}",
        f"must be done without the loss of {TRIES} workers",
        shards[0].lost[:500],
        "The other shards are kept, and the same command tries it again. Give workers more memory, "
        "or a smaller --batch-size.",
    )


_lock = Lock()


@lru_cache(maxsize=1)
def _opened(task: ShardTask) -> Callable[[Shard], None]:
    return task.open()


def attempt(task: ShardTask, shard: Shard) -> Exception | None:
    """Do a shard in this process, and return what it raised in a form that can be pickled."""
    try:
        with _lock:
            work = _opened(task)
        work(shard)
    except Exception as error:
        return _portable(error)
    return None


def _portable(error: Exception) -> Exception:
    """Return the error, or its text where it does not survive pickling."""
    error.add_note("In a worker:\n" + "".join(traceback.format_exception(error))[-4000:])
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


Address = TypeVar("Address")


def by_address(address: Address | None, what: str, kind: str) -> Address:
    """Return an address, for workers.

    Parameters
    ----------
    address : ClassifierAddress or another, or None
    what, kind : str
        What it opens, and what the address is called, for errors.

    Raises
    ------
    InputError
        When there is none.
    """
    if address is None:
        raise InputError(
            what,
            "must be opened by address, so that workers can open it",
            "an object of this process",
            f"Pass its {kind}, or leave the engine out.",
        )
    return address


def check_opened(
    what: str, found: str, wanted: str, may_differ: frozenset[str] = frozenset()
) -> None:
    """Check that what a worker opened is what its task was made for.

    Parameters
    ----------
    what : str
        "the run" or another task, as errors name it.
    found, wanted : str
        Identities.
    may_differ : frozenset of str
        Keys of their JSON that they may differ in.

    Raises
    ------
    InputError
        When they differ.
    """
    if not alike(found, wanted, may_differ):
        raise InputError(
            "models of a worker",
            f"must be those of {what}, {wanted}",
            found,
            "Give every worker the same files, libraries and type of device.",
        )

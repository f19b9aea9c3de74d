"""Rate and concurrency limits on requests to a service."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event

from equipoise.core.turns import TurnKeeper, shared_turns
from equipoise.runtimes.http.answer_cache import AnswerCache
from equipoise.runtimes.http.service import RateLimits

_LONGEST_BACK_OFF = 60.0
"""Upper bound of a wait between repeats, in seconds; chosen by hand."""


def back_off(first: float, attempt: int) -> float:
    """Return the seconds to wait before a repeat: exponential back-off with jitter.

    The jitter spreads requests of several processes in time; no result depends on it.

    Parameters
    ----------
    first : float
        Mean wait before the first repeat, in seconds.
    attempt : int
        Number of the repeat, from 0; each wait is twice as long on average, up to 60 s.
    """
    mean = min(first * 2.0**attempt, _LONGEST_BACK_OFF)
    return mean * random.SystemRandom().uniform(0.5, 1.5)


class Limiter:
    """Spaces requests evenly, and delays all of them when the service asks for it.

    Rate and delay hold for all processes that open the same cache, and for all workers that share
    turns (`equipoise.core.turns`); the number of requests in progress for this process.

    Parameters
    ----------
    cache : AnswerCache
        Keeps when the service may be asked next.
    service : str
        Its name in the cache.
    limits : RateLimits
    """

    def __init__(self, cache: AnswerCache, service: str, limits: RateLimits) -> None:
        shared = shared_turns()
        self._keepers: list[TurnKeeper] = [cache] if shared is None else [cache, shared]
        self._service = service
        self._gap = 1 / limits.rate if limits.rate else 0.0
        self._slots = BoundedSemaphore(limits.concurrency)

    @contextmanager
    def turn(self, stop: Event) -> Iterator[bool]:
        """Wait until this thread may send a request; its slot is free again after the block.

        Yields False when `stop` was set while it waited: then nothing may be sent.

        Raises
        ------
        StorageError
            When the cache cannot be read or written.
        """
        with self._slots:
            for keeper in self._keepers:
                while (delay := keeper.turn(self._service, self._gap)) and not stop.wait(delay):
                    pass
            yield not stop.is_set()

    def pause(self, seconds: float) -> None:
        """Delay all further requests by at least some seconds."""
        for keeper in self._keepers:
            keeper.pause(self._service, seconds)

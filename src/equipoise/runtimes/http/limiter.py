"""Rate and concurrency limits on requests, shared by all threads of one adapter."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock

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

    Parameters
    ----------
    rate : float
        Requests per second; 0 for no limit.
    concurrency : int
        Largest number of requests in progress.
    """

    def __init__(self, rate: float, concurrency: int) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._slots = BoundedSemaphore(concurrency)
        self._next = 0.0
        self._lock = Lock()

    @contextmanager
    def turn(self, stop: Event) -> Iterator[bool]:
        """Wait until this thread may send a request; its slot is free again after the block.

        Yields False when `stop` was set while it waited: then nothing may be sent.
        """
        with self._slots:
            yield self._wait(stop)

    def _wait(self, stop: Event) -> bool:
        while True:
            with self._lock:
                now = time.monotonic()
                delay = self._next - now
                if delay <= 0:
                    self._next = now + self._gap
                    return not stop.is_set()
            if stop.wait(delay):
                return False

    def pause(self, seconds: float) -> None:
        """Delay all further requests by at least some seconds."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

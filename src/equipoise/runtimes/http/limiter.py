"""When the next request may leave, and how many are under way, for all threads of one adapter."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock

_LONGEST_BACK_OFF = 60.0


def back_off(first: float, attempt: int) -> float:
    """Return the seconds before a repeat: twice as long each time, and jittered.

    Jitter only spreads requests in time; no result depends on it.
    """
    own = min(first * 2.0**attempt, _LONGEST_BACK_OFF)
    return own * random.SystemRandom().uniform(0.5, 1.5)


class Limiter:
    """Spaces requests evenly, and holds all of them back when the service asks for it.

    Parameters
    ----------
    rate : float
        Requests a second; 0 for no limit.
    concurrency : int
        Requests under way at once.
    """

    def __init__(self, rate: float, concurrency: int) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._slots = BoundedSemaphore(concurrency)
        self._next = 0.0
        self._lock = Lock()

    @contextmanager
    def turn(self, stop: Event) -> Iterator[bool]:
        """Wait for this thread's turn, which lasts as long as the block.

        Yields false when `stop` was set meanwhile, and nothing may leave.
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
        """Let nothing leave for some seconds."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

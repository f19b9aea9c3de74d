"""When the next request may leave, for all threads of one adapter."""

from __future__ import annotations

import random
import time
from threading import Event, Lock

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
    """

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = Lock()

    def wait(self, stop: Event) -> bool:
        """Wait for this thread's turn; false when `stop` was set meanwhile."""
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

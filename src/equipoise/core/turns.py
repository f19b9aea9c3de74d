"""Turns to ask a service, where workers on several machines share them.

Processes of one machine share the turns of their file of kept answers. Such a file cannot lie on a
shared disk, so an engine on several machines keeps turns for all its workers as well.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Protocol


class TurnKeeper(Protocol):
    """Says who may ask a service next."""

    def turn(self, service: str, gap: float) -> float:
        """Take the next turn to ask a service, and keep others from it for `gap` seconds.

        Returns
        -------
        float
            0 where the turn was taken, else the seconds until it may be tried again.
        """
        ...

    def pause(self, service: str, seconds: float) -> None:
        """Give nobody a turn to ask a service for some seconds."""
        ...


class Turns:
    """Turns that are kept in memory, for all threads."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def turn(self, service: str, gap: float) -> float:
        """As `TurnKeeper.turn`."""
        with self._lock:
            now = time.monotonic()
            delay = self._next.get(service, now) - now
            if delay <= 0 and gap:
                self._next[service] = now + gap
            return max(delay, 0.0)

    def pause(self, service: str, seconds: float) -> None:
        """As `TurnKeeper.pause`."""
        with self._lock:
            until = time.monotonic() + seconds
            self._next[service] = max(self._next.get(service, until), until)


_shared: TurnKeeper | None = None


def share_turns(keeper: TurnKeeper | None) -> None:
    """Have this process ask a keeper for each turn, besides its own machine's file."""
    global _shared
    _shared = keeper


def shared_turns() -> TurnKeeper | None:
    """Return the keeper that this process shares with others, if there is one."""
    return _shared

"""How long work runs and reports: workers, and a callback with stage, done and total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Called as work advances, from one thread."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Record that `done` of `total` units of `stage` are done."""
        ...


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Execution:
    """How long work runs.

    Attributes
    ----------
    workers : int or None
        Threads; None takes all cores. Results do not depend on it.
    progress : Progress
        Called with each stage's name, what is done, and the total.
    """

    workers: int | None = None
    progress: Progress = no_progress

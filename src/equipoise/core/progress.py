"""How long computations run and report: the number of threads, and a callback for progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """A function that is called as work advances, always from one thread."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that `done` of `total` units of the stage called `stage` are done."""
        ...


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Execution:
    """How a long computation runs. Its results do not depend on this.

    Attributes
    ----------
    workers : int or None
        Number of threads; None for all cores.
    progress : Progress
        Called with the name of the stage, the units done, and the total.
    """

    workers: int | None = None
    progress: Progress = no_progress

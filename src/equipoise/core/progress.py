"""How long computations run and report: threads, an engine, and a callback for progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Progress(Protocol):
    """A function that is called as work advances, always from one thread."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that `done` of `total` units of the stage called `stage` are done."""
        ...


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""


class Engine(Protocol):
    """Where shards of work are done; `equipoise.engines` has several."""

    def start(self, task: Any) -> Any:
        """Start the workers of a task, as `equipoise.engines.contract` describes both."""
        ...


@dataclass(frozen=True)
class Execution:
    """How a long computation runs. Its results do not depend on this.

    Attributes
    ----------
    workers : int or None
        Number of threads; None for all cores.
    progress : Progress
        Called with the name of the stage, the units done, and the total.
    engine : Engine or None
        Where codes are labelled and shards are written; None for threads of this process. Its
        workers open the models by address, so these must come of `ModelAddresses.open` or
        `equipoise.pipeline.open_models`.
    """

    workers: int | None = None
    progress: Progress = no_progress
    engine: Engine | None = None

"""How long work tells of itself: a stage's name, what is done, what there is to do."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work advances, from one thread."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note that `done` of `total` units of `stage` are done."""
        ...


def no_progress(stage: str, done: int, total: int) -> None:
    """Take no note."""

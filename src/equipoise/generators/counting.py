"""Counts the codes whose stem is computed: what candidates that were refused have cost."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from equipoise.generators.base import Generator


@dataclass
class StemCount:
    """How many stems were computed.

    Attributes
    ----------
    codes : int
    """

    codes: int = 0


class _Counting:
    """A generator that counts; all else is passed on."""

    def __init__(self, generator: Generator, count: StemCount) -> None:
        self._generator, self._count, self._lock = generator, count, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def stem(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lock:
            self._count.codes += len(codes)
        return self._generator.stem(codes)


def count_stems(generator: Generator) -> tuple[Generator, StemCount]:
    """Return the generator, and a count of the codes whose stem it computes from now on."""
    count = StemCount()
    return cast("Generator", _Counting(generator, count)), count

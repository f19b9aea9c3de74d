"""A request for images, and the batches that answer it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.panel import Panel
from equipoise.drawing import Batches, exact_counts, one_shot, verified
from equipoise.generators.base import Generator
from equipoise.progress import Progress, silent
from equipoise.sampler import Sampler


@dataclass(frozen=True)
class Request:
    """What to draw.

    Attributes
    ----------
    n : int
        Images.
    seed : int
        Names the draws.
    cell : str or None
        One cell alone, or all as the sampler weighs them.
    verified : bool
        Keep only images that came out as requested, so that counts follow the target exactly;
        they come cell by cell.
    """

    n: int
    seed: int = 0
    cell: str | None = None
    verified: bool = False

    def counts(self, sampler: Sampler) -> NDArray[np.int64]:
        """Return the wanted images of each cell, for verified draws."""
        if self.cell is None:
            return exact_counts(sampler.target, self.n)
        counts = np.zeros(sampler.groups.size, np.int64)
        counts[sampler.groups.index(self.cell)] = self.n
        return counts


@dataclass(frozen=True, eq=False)
class Kept:
    """What a folder holds already.

    Attributes
    ----------
    rows : int
        Whole images.
    counts, next_index : numpy.ndarray, shape (K,), int64
        Per requested cell: images, and the index after the last of them.
    """

    rows: int
    counts: NDArray[np.int64]
    next_index: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A request with all that answers it."""

    sampler: Sampler
    generator: Generator
    panel: Panel
    request: Request
    workers: int | None = None
    progress: Progress = silent

    def nothing(self) -> Kept:
        """Return what a fresh place holds."""
        zeros = np.zeros(self.sampler.groups.size, np.int64)
        return Kept(0, zeros, zeros)

    def batches(self, kept: Kept) -> Batches:
        """Yield the batches that come after what is kept already."""
        request = self.request
        if request.verified:
            yield from verified(
                self.sampler,
                self.generator,
                self.panel,
                request.counts(self.sampler) - kept.counts,
                request.seed,
                start=kept.next_index,
                workers=self.workers,
                progress=self.progress,
            )
            return
        done = kept.rows
        self.progress("draw", done, request.n)
        if done == request.n:
            return
        for drawn in one_shot(
            self.sampler,
            self.generator,
            self.panel,
            request.n - done,
            request.seed,
            cell=request.cell,
            start=done,
            workers=self.workers,
        ):
            yield drawn
            done += len(drawn.images)
            self.progress("draw", done, request.n)

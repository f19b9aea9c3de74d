"""A request for draws, and what answers it from where a place was left off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError, check_count
from equipoise.core.progress import Execution
from equipoise.samplers.acceptance import mode_name
from equipoise.samplers.draw import Batches, one_shot
from equipoise.samplers.filling import Position
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.verified import exact_counts, verified


@dataclass(frozen=True)
class DrawRequest:
    """What to draw.

    Attributes
    ----------
    n : int
        Images; a folder may have 0, which is then its description alone.
    seed : int
        Of the draws, in [0, 2**63).
    cell : str or None
        One cell alone, or all as the sampler weighs them.
    verified : bool
        Keep only images that came out as requested, so that counts follow the target exactly;
        see `equipoise.samplers.verified` for their order.
    faithful : str or None
        For verified draws alone; the sampler's own by default, see `Sampler.for_verified`.

    Raises
    ------
    InputError
        When `faithful` is given for draws that are not verified.
    """

    n: int
    seed: int = 0
    cell: str | None = None
    verified: bool = False
    faithful: str | None = None

    def __post_init__(self) -> None:
        if self.faithful is None:
            return
        if not self.verified:
            raise InputError(
                "faithful",
                "must be given with verified draws alone",
                self.faithful,
                "Add --verified (in Python, verified=True); one-shot draws have no such choice.",
            )
        object.__setattr__(self, "faithful", mode_name(self.faithful))

    def counts(self, sampler: Sampler) -> NDArray[np.int64]:
        """Return the wanted images of each cell, for verified draws."""
        if self.cell is None:
            return exact_counts(sampler.target, self.n)
        counts = np.zeros(sampler.grid.size, np.int64)
        counts[sampler.grid.index(self.cell)] = self.n
        return counts


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """What a folder holds already.

    Attributes
    ----------
    rows : int
        Whole images.
    counts : numpy.ndarray, shape (K,), int64
        Of each requested cell.
    following : Position
        After the last of them.
    """

    rows: int
    counts: NDArray[np.int64]
    following: Position


@dataclass(frozen=True, eq=False)
class DrawJob:
    """A request with all that answers it."""

    sampler: Sampler
    models: Models
    request: DrawRequest
    execution: Execution = Execution()

    @property
    def sampler_drawn(self) -> Sampler:
        """The sampler whose draws are delivered: of the wanted faithfulness where verified."""
        request = self.request
        return self.sampler.for_verified(request.faithful) if request.verified else self.sampler

    def check(self) -> None:
        """Check the request, so that a bad one fails before a file is made.

        Raises
        ------
        FileFormatError
            When the sampler was made for another generator.
        InputError
            When the request breaks a rule, or the panel reads other attributes than the sampler's
            or in another order.
        """
        check_count("n", self.request.n, "Pass --n 1000.", least=0)
        self.sampler.check_models(self.models)
        self.sampler_drawn.draw(1, self.request.seed, cell=self.request.cell)

    def nothing(self) -> ResumePoint:
        """Return what a fresh place holds."""
        grid = self.sampler.grid
        return ResumePoint(0, np.zeros(grid.size, np.int64), Position.first(grid))

    def batches(self, kept: ResumePoint) -> Batches:
        """Yield the batches that come after what is kept already."""
        request = self.request
        if request.verified:
            yield from verified(
                self.sampler,
                self.models,
                request.counts(self.sampler) - kept.counts,
                request.seed,
                faithful=request.faithful,
                sharing=request.cell is None,
                start=kept.following,
                execution=self.execution,
            )
            return
        done = kept.rows
        self.execution.progress("draw", done, request.n)
        if done == request.n:
            return
        for drawn in one_shot(
            self.sampler,
            self.models,
            request.n - done,
            request.seed,
            cell=request.cell,
            start=int(kept.following.alone.max()),
            workers=self.execution.workers,
        ):
            yield drawn
            done += len(drawn.images)
            self.execution.progress("draw", done, request.n)

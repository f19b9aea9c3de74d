"""Images of a sampler with their labels: one-shot, or verified.

One-shot images cost one generator call each and follow the target up to sampling noise. Verified
images are classified, and kept where the achieved cell is the requested one: by the classifier,
counts are exact, at 1 / purity calls an image.
"""

from __future__ import annotations

from collections.abc import Generator as GeneratorType
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.frames import Tabular, cell_column
from equipoise.core.labels import Labels, to_columns
from equipoise.core.parallel import ahead, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.core.targets import Target
from equipoise.generators.base import generate
from equipoise.samplers.sampler import LatentBatch, Sampler

ATTEMPTS = 200
"""Generator calls per wanted image after which a verified draw gives a cell up."""

_LEAST_ATTEMPTS = 2000

_LEAST_BATCH = 8
"""Images that are made at once for a cell of few; smaller batches cost more an image."""


@dataclass(frozen=True, eq=False)
class ImageBatch(Tabular):
    """A batch of images with what was asked for and what came out.

    Attributes
    ----------
    latents : LatentBatch
    images : numpy.ndarray, shape (n, channels, height, width), uint8
    labels : Labels
    calls : int
        Generator calls that the batch cost, those of refused images included.
    """

    latents: LatentBatch
    images: NDArray[np.uint8]
    labels: Labels
    calls: int

    def table(self) -> pa.Table:
        """Return a row for each image.

        Columns are `index`, `requested` and `achieved`, cells by name, `weight`, and those of
        `equipoise.core.labels.to_columns`.
        """
        draws, grid = self.latents, self.labels.grid
        return pa.table(
            {
                "index": draws.index,
                "requested": cell_column(grid, draws.requested),
                "achieved": cell_column(grid, self.labels.cells),
                "weight": draws.weights,
                **to_columns(self.labels),
            }
        )

    def take(self, rows: NDArray[np.int64]) -> ImageBatch:
        """Return some images of the batch, at the cost of all."""
        draws = self.latents.take(rows)
        return ImageBatch(draws, self.images[rows], self.labels.take(rows), self.calls)


Batches = GeneratorType[ImageBatch, None, None]


def one_shot(
    sampler: Sampler,
    models: Models,
    n: int,
    seed: int = 0,
    *,
    cell: str | None = None,
    start: int = 0,
    batch: int | None = None,
    workers: int | None = None,
) -> Batches:
    """Yield draws start..start+n-1 of the seed batch by batch, on all cores.

    Parameters are those of `Sampler.draw`, the panel that reads the images, and the images of one
    batch, by default and at most those of the generator.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the panel reads other attributes, or in another order.
    """
    sampler.check_models(models)
    generator, panel = models.generator, models.panel

    def make(draws: LatentBatch) -> ImageBatch:
        images = generate(generator, draws.codes)
        return ImageBatch(draws, images, panel.predict(images), len(images))

    size = min(batch or generator.batch_size, generator.batch_size)
    draws = sampler.stream(n, seed, cell=cell, start=start, batch=size)
    with (
        closing(ahead(draws, size)) as made,
        closing(ordered_map(make, made, workers)) as results,
    ):
        yield from results


def gather_latents(drawn: Batches) -> tuple[LatentBatch, int]:
    """Return all draws as one batch, and the calls that they cost; images are dropped."""
    parts, calls = [], 0
    for batch in drawn:
        parts.append(batch.latents)
        calls += batch.calls
    return LatentBatch.concatenate(parts), calls


def exact_counts(target: Target, n: int) -> NDArray[np.int64]:
    """Return how many of n images each cell gets, shape (K,), by largest remainders.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute, AttributeGrid
    >>> grid = AttributeGrid((Attribute("age", ("young", "middle", "old")),))
    >>> exact_counts(Target.uniform(grid), 10).tolist()
    [4, 3, 3]
    """
    ideal = target.shares * n
    counts = np.floor(ideal + 1e-9).astype(np.int64)
    order = np.argsort(counts - ideal, kind="stable")
    counts[order[: n - counts.sum()]] += 1
    return counts


def verified(
    sampler: Sampler,
    models: Models,
    counts: Sequence[int] | NDArray[np.int64],
    seed: int = 0,
    *,
    faithful: str | None = None,
    start: Sequence[int] | NDArray[np.int64] | None = None,
    attempts: int = ATTEMPTS,
    execution: Execution = Execution(),
) -> Batches:
    """Yield images that came out as requested, exactly as many of each cell as wanted.

    Cells come one after the other. A kept image is named by (seed, cell, index); which are kept
    depends on the classifier alone, not on batch size or workers.

    Parameters
    ----------
    sampler, models
        The panel predicts the sampler's attributes, in its order.
    counts : sequence of int, shape (K,)
        Wanted images of each cell; `exact_counts` gives those of a target.
    seed : int
        Of the draws, in [0, 2**63).
    faithful : str, optional
        The sampler's own by default; see `Sampler.for_verified`.
    start : sequence of int, shape (K,), optional
        First index to try in each cell; 0 by default.
    attempts : int
        Calls per wanted image after which a cell is given up.
    execution : Execution
        Progress counts kept images.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the counts are negative or not one a cell, or the panel reads other attributes, or in
        another order.
    InsufficientLabelsError
        When a cell yields too few; the message names it with its purity. What was yielded before
        stands.
    """
    grid, sampler = sampler.grid, sampler.for_verified(faithful)
    wanted = np.asarray(counts)
    if wanted.shape != (grid.size,) or (wanted < 0).any() or wanted.dtype.kind not in "iu":
        raise InputError(
            "counts", f"must be {grid.size} whole numbers of at least 0", counts, "One a cell."
        )
    first = np.zeros(grid.size, np.int64) if start is None else np.asarray(start)
    done, total = 0, int(wanted.sum())
    execution.progress("draw", done, total)
    for k in np.flatnonzero(wanted).tolist():
        have, calls, unspent = 0, 0, 0
        limit = max(attempts * int(wanted[k]), _LEAST_ATTEMPTS)
        batches = _tried(sampler, models, k, int(wanted[k]), limit, seed, int(first[k]), execution)
        with closing(batches):
            for drawn in batches:
                rows = np.flatnonzero(drawn.labels.cells == k)[: wanted[k] - have]
                last = have + len(rows) == wanted[k]
                # What follows the last kept image was drawn ahead, and not needed.
                tried = int(rows[-1]) + 1 if last else drawn.calls
                calls += tried
                unspent += tried
                if len(rows):
                    kept = drawn.take(rows)
                    yield ImageBatch(kept.latents, kept.images, kept.labels, unspent)
                    have, done, unspent = have + len(rows), done + len(rows), 0
                    execution.progress("draw", done, total)
                if last:
                    break
        if have < wanted[k]:
            raise InsufficientLabelsError(
                f"cell {grid.cells[k]!r}",
                f"must give {wanted[k]} verified images within {limit:,} calls",
                f"{have}, a purity of {have / calls:.2%}",
                "Label more codes, ask for fewer, or leave the cell out of the target.",
            )


def _tried(
    sampler: Sampler,
    models: Models,
    cell: int,
    wanted: int,
    limit: int,
    seed: int,
    start: int,
    execution: Execution,
) -> Batches:
    """Yield `limit` draws of a cell; for a few images no more is made ahead than they need."""
    # Codes come in blocks, and a block is made while the one before is still looked at.
    first = BLOCK_ROWS - start % BLOCK_ROWS if 4 * wanted <= BLOCK_ROWS else limit
    for low, high in ((0, min(first, limit)), (first, limit)):
        if low < high:
            yield from one_shot(
                sampler,
                models,
                high - low,
                seed,
                cell=sampler.grid.cells[cell],
                start=start + low,
                # A whole batch for a few images would be thrown away for the most part.
                batch=max(_LEAST_BATCH, 2 * wanted),
                workers=execution.workers,
            )


@dataclass(frozen=True)
class DrawRequest:
    """What to draw.

    Attributes
    ----------
    n : int
        Images.
    seed : int
        Of the draws, in [0, 2**63).
    cell : str or None
        One cell alone, or all as the sampler weighs them.
    verified : bool
        Keep only images that came out as requested, so that counts follow the target exactly;
        they come cell by cell.
    faithful : str or None
        For verified draws; the sampler's own by default, see `Sampler.for_verified`.
    """

    n: int
    seed: int = 0
    cell: str | None = None
    verified: bool = False
    faithful: str | None = None

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
    counts, next_index : numpy.ndarray, shape (K,), int64
        Per requested cell: images, and the index after the largest of them.
    """

    rows: int
    counts: NDArray[np.int64]
    next_index: NDArray[np.int64]


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

    def nothing(self) -> ResumePoint:
        """Return what a fresh place holds."""
        zeros = np.zeros(self.sampler.grid.size, np.int64)
        return ResumePoint(0, zeros, zeros)

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
                start=kept.next_index,
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
            start=int(kept.next_index.max()),
            workers=self.execution.workers,
        ):
            yield drawn
            done += len(drawn.images)
            self.execution.progress("draw", done, request.n)

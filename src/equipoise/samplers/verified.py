"""Verified images: classified, and kept where they are of a cell that is wanted.

By the classifier, counts are exact. The cost is that of the images that are not kept. Cells share
their candidates (`equipoise.samplers.shared`); a cell of which nothing is stated, or that is far
too rare, is drawn alone, at 1 / purity calls an image.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.parallel import ahead, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.core.targets import Target
from equipoise.core.threads import worker_count
from equipoise.generators.base import generate
from equipoise.samplers.draw import Batches, ImageBatch, one_shot
from equipoise.samplers.filling import (
    Filling,
    Position,
    most_attempts,
    shared_part,
    too_few,
)
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.statements import ATTEMPTS

if TYPE_CHECKING:
    from equipoise.samplers.shared import Candidates, SharedCandidates

SHARED_CODES = 2**20
"""Codes of the prior that may be looked at for each verified image, at most."""

MOST_IN_VAIN = 1024 * BLOCK_ROWS
"""Codes without a candidate after which cells that miss images are given up."""

_LEAST_BATCH = 2
"""Images that are made at once where few are missing, so that few are made in vain at the end."""


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
    sharing: bool = True,
    start: Position | None = None,
    attempts: int = ATTEMPTS,
    execution: Execution = Execution(),
) -> Batches:
    """Yield images that came out as requested, exactly as many of each cell as wanted.

    A kept image is named by (seed, cell, index); which are kept depends on the classifier alone,
    not on batch size or workers. Images of shared candidates come first, in mixed order, with
    indexes below 0, and each cell gives the first ones of its own; other cells follow one by one.

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
    sharing : bool
        Whether cells share candidates where they can. A cell that is wanted by itself is drawn
        sooner without, from its half-space.
    start : Position, optional
        By default the first draws.
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
    from equipoise.samplers.shared import SharedCandidates  # With it comes PyTorch.

    grid, sampler = sampler.grid, sampler.for_verified(faithful)
    wanted = np.asarray(counts)
    if wanted.shape != (grid.size,) or (wanted < 0).any() or wanted.dtype.kind not in "iu":
        raise InputError(
            "counts", f"must be {grid.size} whole numbers of at least 0", counts, "One a cell."
        )
    sampler.check_models(models)
    first = Position.first(grid) if start is None else start
    done, total = 0, int(wanted.sum())
    execution.progress("draw", done, total)

    def counted(drawn: Batches) -> Batches:
        nonlocal done
        with closing(drawn):
            for batch in drawn:
                done += len(batch.images)
                execution.progress("draw", done, total)
                yield batch

    wanted = wanted.astype(np.int64)
    shared = SharedCandidates.of(sampler) if sharing else None
    together = shared_part(shared, wanted)
    if shared is not None and together.any():
        filling = Filling(grid, together, attempts)
        yield from counted(_shared(shared, filling, models, seed, first, execution))
    for k in np.flatnonzero(wanted - together).tolist():
        short = int(wanted[k])
        limit = int(most_attempts(short, attempts))
        tried = _tried(sampler, models, k, short, limit, seed, int(first.alone[k]), execution)
        yield from counted(_alone(tried, grid, k, short, limit))


@dataclass(frozen=True, eq=False)
class SharedImages:
    """A batch of images of shared candidates, less those that no cell keeps.

    Attributes
    ----------
    kept : ImageBatch
        k images; its calls are the m candidates of the batch.
    cells : numpy.ndarray, shape (m,), int64
        Cell that keeps the image, -1 for none.
    serves : numpy.ndarray, shape (m, K), bool
        As those of the candidates.
    """

    kept: ImageBatch
    cells: NDArray[np.int64]
    serves: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64], calls: int) -> ImageBatch:
        """Return images by their rows among the candidates; they cost so many calls."""
        places = np.searchsorted(np.flatnonzero(self.cells >= 0), rows)
        return replace(self.kept.take(places), calls=calls)


def shared_images(
    shared: SharedCandidates,
    models: Models,
    blocks: Iterator[Candidates],
    missing: Callable[[], NDArray[np.int64]],
    workers: int | None = None,
) -> Generator[SharedImages, None, None]:
    """Make, classify and yield images of shared candidates, batch by batch.

    Parameters
    ----------
    shared : SharedCandidates
    models : Models
    blocks : iterator of Candidates
        From `SharedCandidates.blocks`.
    missing : callable
        Returns how many images each cell misses by now, shape (K,). No image is made for cells
        that miss none, but for what is under way already; batches are small where few are missing.
    workers : int, optional
        Threads.
    """

    def make(some: Candidates) -> SharedImages:
        images = generate(models.generator, some.codes)
        labels = models.panel.predict(images)
        cells = np.where(some.kept(labels.cells), labels.cells, -1)
        rows = np.flatnonzero(cells >= 0)
        latents = shared.latents(some, rows, cells)
        kept = ImageBatch(latents, images[rows], labels.take(rows), len(images))
        return SharedImages(kept, cells, some.serves)

    def size() -> int:
        part = int(missing().sum()) // (4 * worker_count(workers))
        return min(models.generator.batch_size, max(_LEAST_BATCH, part))

    with (
        closing(ahead(blocks, BLOCK_ROWS)) as found,
        closing(ordered_map(make, _in_batches(found, missing, size), workers)) as made,
    ):
        yield from made


def _in_batches(
    blocks: Iterator[Candidates],
    missing: Callable[[], NDArray[np.int64]],
    size: Callable[[], int],
) -> Iterator[Candidates]:
    """Yield those that serve a cell that misses images, until none does for very long."""
    from equipoise.samplers.shared import Candidates

    waiting, in_vain = None, 0
    for block in blocks:
        some = block.serving(missing() > 0)
        in_vain = 0 if len(some.number) else in_vain + BLOCK_ROWS
        waiting = some if waiting is None else Candidates.concatenate([waiting, some])
        # For each batch again: cells that became full meanwhile need none of what waits.
        while len((waiting := waiting.serving(missing() > 0)).number) >= (rows := size()):
            yield waiting.take(slice(rows))
            waiting = waiting.take(slice(rows, None))
        if not (missing() > 0).any() or in_vain >= MOST_IN_VAIN:
            break
    if waiting is not None and len(waiting.number):
        yield waiting


def _shared(
    shared: SharedCandidates,
    filling: Filling,
    models: Models,
    seed: int,
    start: Position,
    execution: Execution,
) -> Batches:
    """Yield images of shared candidates, for each cell the first ones that it misses."""
    stop = int(start.shared.max()) + int(filling.missing.sum()) * SHARED_CODES
    first = np.where(filling.open, start.shared, stop)
    blocks, unspent = shared.blocks(seed, first, stop), 0
    with closing(
        shared_images(shared, models, blocks, lambda: filling.missing, execution.workers)
    ) as made:
        for batch in made:
            rows, calls = filling.take(batch.cells, batch.serves)
            unspent += calls
            if len(rows):
                yield batch.take(rows, unspent)
                unspent = 0
            if not filling.open.any():
                return
            filling.check()
    raise filling.failure(int(filling.open.argmax()))


def _alone(tried: Batches, grid: AttributeGrid, cell: int, wanted: int, limit: int) -> Batches:
    """Yield the first `wanted` of the draws of a cell that came out as the cell."""
    have = calls = unspent = 0
    with closing(tried):
        for drawn in tried:
            rows = np.flatnonzero(drawn.labels.cells == cell)[: wanted - have]
            last = have + len(rows) == wanted
            # What follows the last kept image was drawn ahead, and not needed.
            spent = int(rows[-1]) + 1 if last else drawn.calls
            calls, unspent = calls + spent, unspent + spent
            if len(rows):
                kept = drawn.take(rows)
                yield ImageBatch(kept.latents, kept.images, kept.labels, unspent)
                have, unspent = have + len(rows), 0
            if last:
                return
    raise too_few(grid.cells[cell], wanted, limit, have, calls)


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

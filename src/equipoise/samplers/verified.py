"""Verified images: classified, and kept where they are of a cell that is wanted.

By the classifier, counts are exact. The cost is that of the images that are not kept: candidates
are shared by the cells as long as that is cheaper than to draw each cell alone
(`equipoise.samplers.shared`), at 1 / purity calls an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.labels import Labels
from equipoise.core.parallel import ahead, batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import BLOCK_ROWS
from equipoise.core.targets import Target
from equipoise.generators.base import generate
from equipoise.samplers.draw import Batches, ImageBatch, one_shot
from equipoise.samplers.sampler import Sampler

if TYPE_CHECKING:
    from equipoise.samplers.shared import Candidates, SharedCandidates

ATTEMPTS = 200
"""Generator calls per wanted image after which a verified draw gives a cell up."""

_LEAST_ATTEMPTS = 2000

_LEAST_BATCH = 8
"""Images that are made at once for a cell of few; smaller batches cost more an image."""


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


@dataclass(frozen=True, eq=False)
class Position:
    """Where verified draws go on.

    Attributes
    ----------
    shared : int
        Number of the next candidate of those that the cells share.
    cells : numpy.ndarray, shape (K,), int64
        Next index of the draws of each cell alone.
    """

    shared: int
    cells: NDArray[np.int64]

    @classmethod
    def first(cls, grid: AttributeGrid) -> Position:
        """Return where draws begin."""
        return cls(0, np.zeros(grid.size, np.int64))

    def after(self, index: int, cell: int) -> Position:
        """Return the position after a draw of this index and cell as well."""
        if index < 0:
            return Position(max(self.shared, -index), self.cells)
        cells = self.cells.copy()
        cells[cell] = max(cells[cell], index + 1)
        return Position(self.shared, cells)


def verified(
    sampler: Sampler,
    models: Models,
    counts: Sequence[int] | NDArray[np.int64],
    seed: int = 0,
    *,
    faithful: str | None = None,
    start: Position | None = None,
    attempts: int = ATTEMPTS,
    execution: Execution = Execution(),
) -> Batches:
    """Yield images that came out as requested, exactly as many of each cell as wanted.

    A kept image is named by (seed, cell, index); which are kept depends on the classifier alone,
    not on batch size or workers. Images of shared candidates come first, in mixed order, with
    indexes below 0; what is then missing comes cell by cell.

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
    missing, total = wanted.astype(np.int64), int(wanted.sum())
    execution.progress("draw", 0, total)

    def counted(drawn: Batches) -> Batches:
        with closing(drawn):
            for batch in drawn:
                missing[:] -= np.bincount(batch.latents.requested, minlength=grid.size)
                execution.progress("draw", total - int(missing.sum()), total)
                yield batch

    shared = SharedCandidates.of(sampler)
    if shared is not None and shared.pay(missing):
        yield from counted(_shared(shared, models, missing, seed, first, attempts, execution))
    for k in np.flatnonzero(missing).tolist():
        limit = max(attempts * int(missing[k]), _LEAST_ATTEMPTS)
        tried = _tried(
            sampler, models, k, int(missing[k]), limit, seed, int(first.cells[k]), execution
        )
        yield from counted(_alone(tried, grid, k, int(missing[k]), limit))


def _shared(
    shared: SharedCandidates,
    models: Models,
    missing: NDArray[np.int64],
    seed: int,
    start: Position,
    attempts: int,
    execution: Execution,
) -> Batches:
    """Yield images of shared candidates as long as these pay, and at most those that miss."""
    missing = missing.copy()
    limit = max(attempts * int(missing.sum()), _LEAST_ATTEMPTS)

    def make(candidates: Candidates) -> tuple[Candidates, NDArray[np.uint8], Labels]:
        images = generate(models.generator, candidates.codes)
        return candidates, images, models.panel.predict(images)

    size = min(models.generator.batch_size, max(_LEAST_BATCH, 2 * int(missing.sum())))
    calls = unspent = 0
    with (
        closing(ahead(_in_batches(shared, seed, start.shared, size), size)) as codes,
        closing(ordered_map(make, codes, execution.workers)) as made,
    ):
        for candidates, images, labels in made:
            kept, tried = _kept(shared, candidates, labels.cells, missing)
            calls, unspent = calls + tried, unspent + tried
            if len(kept):
                latents = shared.latents(candidates, kept, labels.cells)
                yield ImageBatch(latents, images[kept], labels.take(kept), unspent)
                unspent = 0
            if not shared.pay(missing):
                return
            if calls >= limit:
                short = models.panel.grid.cells[int(missing.argmax())]
                raise _too_few(short, int(missing.max()), limit, 0, calls)


def _in_batches(shared: SharedCandidates, seed: int, start: int, size: int) -> Iterator[Candidates]:
    for candidates in shared.stream(seed, start):
        for low, high in batches(0, len(candidates.number), size):
            yield candidates.take(slice(low, high))


def _kept(
    shared: SharedCandidates,
    candidates: Candidates,
    cells: NDArray[np.int64],
    missing: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """Return the rows to keep, and how many were tried until sharing no longer pays.

    `missing` is counted down.
    """
    rows = []
    for row in np.flatnonzero(shared.kept(candidates, cells)).tolist():
        if missing[cells[row]]:
            missing[cells[row]] -= 1
            rows.append(row)
            if not missing[cells[row]] and not shared.pay(missing):
                # What follows was drawn ahead, and is not needed.
                return np.array(rows), row + 1
    return np.array(rows, np.int64), len(cells)


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
    raise _too_few(grid.cells[cell], wanted, limit, have, calls)


def _too_few(cell: str, wanted: int, limit: int, have: int, calls: int) -> InsufficientLabelsError:
    return InsufficientLabelsError(
        f"cell {cell!r}",
        f"must give {wanted} verified images within {limit:,} calls",
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

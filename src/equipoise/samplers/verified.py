"""Verified images: classified, and kept where they are of a cell that is wanted.

By the classifier, counts are exact. The cost is that of the images that are not kept: candidates
are shared by the cells as long as that is cheaper than to draw each cell alone
(`equipoise.samplers.shared`), at 1 / purity calls an image.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError
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

SHARED_CODES = 2**20
"""Codes of the prior that may be looked at for each verified image, at most."""

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
    done, total = 0, int(wanted.sum())
    execution.progress("draw", done, total)

    def counted(drawn: Batches) -> Batches:
        nonlocal done
        with closing(drawn):
            for batch in drawn:
                done += len(batch.images)
                execution.progress("draw", done, total)
                yield batch

    filling = Filling(SharedCandidates.of(sampler), grid, wanted.astype(np.int64), attempts)
    if filling.pays:
        yield from counted(_shared(filling, models, seed, first.shared, execution))
    for k in np.flatnonzero(filling.missing).tolist():
        short = int(filling.missing[k])
        limit = max(attempts * short, _LEAST_ATTEMPTS)
        tried = _tried(sampler, models, k, short, limit, seed, int(first.cells[k]), execution)
        yield from counted(_alone(tried, grid, k, short, limit))


@dataclass(eq=False)
class Filling:
    """Which images of shared candidates are delivered: the first ones that are missing.

    Attributes
    ----------
    shared : SharedCandidates or None
        None where cells share nothing.
    grid : AttributeGrid
    missing : numpy.ndarray, shape (K,), int64
        Images that each cell still misses; counted down.
    attempts : int
        As for `verified`.
    """

    shared: SharedCandidates | None
    grid: AttributeGrid
    missing: NDArray[np.int64]
    attempts: int = ATTEMPTS

    def __post_init__(self) -> None:
        self._wanted = self.missing.copy()
        self._limit = max(self.attempts * int(self.missing.sum()), _LEAST_ATTEMPTS)
        self._calls = 0

    @property
    def pays(self) -> bool:
        """Whether what is missing costs less by shared candidates than alone."""
        return self.shared is not None and self.shared.pay(self.missing)

    def take(
        self, cells: NDArray[np.int64], places: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return the rows to deliver of the next images, of known cells, while sharing pays.

        Parameters
        ----------
        cells : numpy.ndarray, shape (n,), int64
        places : numpy.ndarray, shape (n,), int64, optional
            Of the images among those that were made since the last `spend`. Images beyond the
            limit of calls are not delivered.
        """
        if places is not None:
            cells = cells[: np.searchsorted(places, self._limit - self._calls)]
        rows = []
        for row, cell in enumerate(cells.tolist()):
            if self.missing[cell]:
                self.missing[cell] -= 1
                rows.append(row)
                if not self.missing[cell] and not self.pays:
                    break  # What follows was drawn ahead, and is not needed.
        return np.array(rows, np.int64)

    def spend(self, calls: int) -> None:
        """Count calls.

        Raises
        ------
        InsufficientLabelsError
            When they are too many.
        """
        self._calls += calls
        if self._calls >= self._limit:
            k = int(self.missing.argmax())
            wanted, have = int(self._wanted[k]), int(self._wanted[k] - self.missing[k])
            raise _too_few(self.grid.cells[k], wanted, self._limit, have, self._limit)


@dataclass(frozen=True, eq=False)
class SharedImages:
    """A batch of images of shared candidates, less those that no cell keeps.

    Attributes
    ----------
    kept : ImageBatch
        n images; its calls are those of all candidates of the batch.
    places : numpy.ndarray, shape (n,), int64
        Of the kept ones in the batch.
    """

    kept: ImageBatch
    places: NDArray[np.int64]


def shared_images(
    shared: SharedCandidates,
    models: Models,
    candidates: Iterator[Candidates],
    wanted: int,
    workers: int | None = None,
) -> Generator[SharedImages, None, None]:
    """Make, classify and yield images of shared candidates, batch by batch.

    Parameters
    ----------
    shared : SharedCandidates
    models : Models
    candidates : iterator of Candidates
        From its stream.
    wanted : int
        Images of the whole draw. For a few, batches are small.
    workers : int, optional
        Threads.
    """

    def make(some: Candidates) -> SharedImages:
        images = generate(models.generator, some.codes)
        labels = models.panel.predict(images)
        places = np.flatnonzero(shared.kept(some, labels.cells))
        latents = shared.latents(some, places, labels.cells)
        kept = ImageBatch(latents, images[places], labels.take(places), len(images))
        return SharedImages(kept, places)

    size = min(models.generator.batch_size, max(_LEAST_BATCH, wanted // 4))
    with (
        closing(ahead(_in_batches(candidates, size), size)) as codes,
        closing(ordered_map(make, codes, workers)) as made,
    ):
        yield from made


def _in_batches(candidates: Iterator[Candidates], size: int) -> Iterator[Candidates]:
    """Yield them `size` at a time, whatever blocks they come in."""
    from equipoise.samplers.shared import Candidates

    waiting: list[Candidates] = []
    for some in candidates:
        waiting.append(some)
        if sum(len(one.number) for one in waiting) >= size:
            joined = Candidates.concatenate(waiting)
            whole = len(joined.number) // size * size
            for low, high in batches(0, whole, size):
                yield joined.take(slice(low, high))
            waiting = [joined.take(slice(whole, None))]
    if waiting:
        rest = Candidates.concatenate(waiting)
        if len(rest.number):
            yield rest


def _shared(
    filling: Filling, models: Models, seed: int, start: int, execution: Execution
) -> Batches:
    """Yield images of shared candidates as long as these pay, and at most those that miss."""
    shared, wanted, unspent = filling.shared, int(filling.missing.sum()), 0
    assert shared is not None
    stream = shared.stream(seed, start, start + wanted * SHARED_CODES)
    with closing(shared_images(shared, models, stream, wanted, execution.workers)) as made:
        for batch in made:
            rows = filling.take(batch.kept.latents.requested, batch.places)
            more = filling.pays
            unspent += batch.kept.calls if more else int(batch.places[rows[-1]]) + 1
            if len(rows):
                yield replace(batch.kept.take(rows), calls=unspent)
                unspent = 0
            if not more:
                return
            filling.spend(batch.kept.calls)


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

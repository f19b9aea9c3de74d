"""Images become labels and features, batch by batch; the images themselves are not kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, InsufficientLabelsError, check_count
from equipoise.core.labels import Labels, concatenate
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution, no_progress
from equipoise.core.seeds import check_seed
from equipoise.generators.base import generate
from equipoise.labelling.collect import collect
from equipoise.labelling.image_files import equal_sizes
from equipoise.labelling.picture import read_image
from equipoise.labelling.shards import SHARD_ROWS
from equipoise.measure.features.base import Features, read_features

_BATCH = 64
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is kept of a set of n images.

    Attributes
    ----------
    features : numpy.ndarray, shape (n, dim), float32
    labels : Labels
        On the balanced attributes and any others.
    name, digest, about : str
        Of the features.
    """

    features: NDArray[np.float32]
    labels: Labels
    name: str
    digest: str
    about: str

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Pictures:
        """Return some of the images."""
        return Pictures(
            self.features[rows], self.labels.take(rows), self.name, self.digest, self.about
        )


def see(
    images: Callable[[Item], Iterable[NDArray[np.uint8]]],
    items: Sequence[Item],
    panel: ClassifierPanel,
    features: Features,
    *,
    stage: str = "quality",
    execution: Execution = Execution(),
) -> Pictures:
    """Label and featurise the images of each item, in order.

    Parameters
    ----------
    images : callable
        Makes the images of one item, as batches of shape (n, 3, height, width), uint8; it is
        called from several threads.
    items : sequence
        At least one.
    panel : ClassifierPanel
        Reads the balanced attributes, and others whose drift is wanted.
    features : Features
    stage : str
        Name of the stage for progress, which counts items.
    """

    def one(item: Item) -> list[tuple[Labels, NDArray[np.float32]]]:
        return [(panel.predict(batch), read_features(features, batch)) for batch in images(item)]

    if not items:
        raise InputError("images", "must be at least one", "none", "Draw some.")
    labels: list[Labels] = []
    rows: list[NDArray[np.float32]] = []
    with closing(ordered_map(one, items, execution.workers)) as results:
        for done, parts in enumerate(results, 1):
            labels.extend(part[0] for part in parts)
            rows.extend(part[1] for part in parts)
            execution.progress(stage, done, len(items))
    return Pictures(
        np.concatenate(rows), concatenate(labels), features.name, features.digest, features.about
    )


def see_codes(
    models: Models,
    codes: NDArray[np.float32],
    features: Features,
    *,
    execution: Execution = Execution(),
) -> Pictures:
    """Generate, label and featurise codes, shape (n, dim)."""
    return see(
        lambda bounds: [generate(models.generator, codes[slice(*bounds)])],
        batches(0, len(codes), models.generator.batch_size),
        models.panel,
        features,
        execution=execution,
    )


def see_files(
    files: Sequence[Path],
    panel: ClassifierPanel,
    features: Features,
    *,
    execution: Execution = Execution(),
) -> Pictures:
    """Decode, label and featurise image files; pictures may differ in size.

    Raises
    ------
    FileFormatError
        When a file is no picture; the message names it.
    """
    return see(
        lambda bounds: equal_sizes(map(read_image, files[slice(*bounds)])),
        batches(0, len(files), _BATCH),
        panel,
        features,
        execution=execution,
    )


def reject(
    models: Models,
    grid: AttributeGrid,
    counts: Sequence[int] | NDArray[np.int64],
    seed: int,
    *,
    most: int = 1_000_000,
    execution: Execution = Execution(),
) -> NDArray[np.float32]:
    """Return codes of the prior's seed with the wanted counts of cells: the default reference.

    The first codes of each cell are taken, so the reference is exact in shares, and within a cell
    it is the prior's own. It shares no code with what was learnt when the seed is another.

    Parameters
    ----------
    models : Models
        The panel reads the attributes of `grid`, and perhaps others.
    groups : AttributeGrid
        The balanced attributes.
    counts : sequence of int, shape (K,)
        Wanted images of each cell; `drawing.exact_counts` makes them of a target.
    seed : int
        In [0, 2**63).
    most : int
        Codes to try at most; a cell that is not full by then keeps what it has.
    execution : Execution
        Threads, engine and progress. The codes do not depend on it. Workers of an engine write
        labels to the temporary folder (`TMPDIR`), which all must reach.

    Returns
    -------
    numpy.ndarray, shape (n, dim), float32
        In the order of their index; n is at most the sum of `counts`.

    Raises
    ------
    InsufficientLabelsError
        When a wanted cell has no image among `most`.
    """
    check_seed(seed)
    check_count("most", most, "Leave it out.")
    wanted = np.asarray(counts, np.int64)
    if wanted.shape != (grid.size,) or (wanted < 0).any() or not wanted.any():
        raise InputError(
            "counts", f"must be {grid.size} whole numbers, one a cell", counts, "Correct them."
        )
    left = wanted.copy()
    if execution.engine is None:
        labelled = _on_threads(models, seed, most, execution)
    else:
        labelled = _on_engine(models, seed, most, 2 * int(wanted.sum()), execution)
    kept = []
    with closing(labelled) as results:
        for codes, labels in results:
            cells = labels.restricted(grid).cells
            take = np.zeros(len(codes), bool)
            for k in np.flatnonzero(left):
                take[np.flatnonzero(cells == k)[: left[k]]] = True
            left -= np.bincount(cells[take], minlength=grid.size)
            kept.append(codes[take])
            execution.progress("reference", int(wanted.sum() - left.sum()), int(wanted.sum()))
            if not left.any():
                break
    empty = np.flatnonzero((left == wanted) & (wanted > 0))
    if len(empty):
        raise InsufficientLabelsError(
            f"cell {grid.cells[empty[0]]!r} of the reference",
            f"must have an image among {most} codes of the prior",
            0,
            "Give a folder of images as reference.",
        )
    return np.concatenate(kept)


_Labelled = Generator[tuple[NDArray[np.float32], Labels], None, None]


def _on_threads(models: Models, seed: int, most: int, execution: Execution) -> _Labelled:
    """Yield codes of the prior with their labels, in order, as they are made."""
    generator, panel = models.generator, models.panel

    def one(bounds: tuple[int, int]) -> tuple[NDArray[np.float32], Labels]:
        codes = generator.prior.codes(seed, *bounds)
        return codes, panel.predict(generate(generator, codes))

    # The batches of `collect`, which an engine labels by.
    work = (
        bounds
        for shard in batches(0, most, SHARD_ROWS)
        for bounds in batches(*shard, generator.batch_size)
    )
    yield from ordered_map(one, work, execution.workers)


def _on_engine(models: Models, seed: int, most: int, first: int, execution: Execution) -> _Labelled:
    """Yield the same shard by shard: twice as many codes are labelled each time."""
    n, quiet = 0, replace(execution, progress=no_progress)
    with tempfile.TemporaryDirectory(prefix="equipoise-") as folder:
        while n < most:
            seen, n = n, min(most, max(2 * n, -(-first // SHARD_ROWS) * SHARD_ROWS))
            table = collect(models, n, seed, Path(folder), execution=quiet)
            new = islice(table.stream(), seen // SHARD_ROWS, None)
            for bounds, labels in zip(batches(seen, n, SHARD_ROWS), new, strict=True):
                yield models.generator.prior.codes(seed, *bounds), labels

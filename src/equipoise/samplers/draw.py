"""Images of a sampler with their labels: batches, and one-shot draws.

One-shot images cost one generator call each and follow the target up to sampling noise.
"""

from __future__ import annotations

from collections.abc import Generator as GeneratorType
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.frames import Tabular, cell_column
from equipoise.core.labels import Labels, to_columns
from equipoise.core.parallel import ahead, ordered_map
from equipoise.generators.base import generate
from equipoise.samplers.sampler import LatentBatch, Sampler


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

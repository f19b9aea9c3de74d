"""Label the draws of a sampler. Calibration, measurement and directed labelling count them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.folders import Folder
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.labelling.collect import label_codes
from equipoise.labelling.shards import CodeSource
from equipoise.samplers.sampler import Sampler


@dataclass(frozen=True, eq=False)
class LabelledDraws:
    """One-shot draws: the requested cells, and the labels of the images.

    Attributes
    ----------
    labels : Labels
        The labels of n images.
    requested : numpy.ndarray, shape (n,), int64
        The requested cell of each image, in [0, K).
    """

    labels: Labels
    requested: NDArray[np.int64]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts of requested (rows) against achieved cells, shape (K, K + 1), int64.

        The last column counts unknown images.
        """
        size = self.labels.grid.size
        achieved = np.where(self.labels.cells < 0, size, self.labels.cells)
        counts = np.zeros((size, size + 1), np.int64)
        np.add.at(counts, (self.requested, achieved), 1)
        return counts


def label_draws(
    sampler: Sampler,
    models: Models,
    n: int,
    seed: int,
    folder: Path | str | Folder,
    *,
    stage: str,
    execution: Execution = Execution(),
) -> LabelledDraws:
    """Draw one-shot codes 0..n-1 of a seed, and label their images.

    Parameters
    ----------
    sampler : Sampler
    models : Models
        The sampler's own generator, and a panel of its attributes in its order.
    n : int
        Number of draws, at least 1.
    seed : int
        Seed of the draws, in [0, 2**63).
    folder : Path, str or Folder
        Where the labels are kept. A stopped call continues there.
    stage : str
        Name of the stage for progress.
    execution : Execution
        Threads and progress. The labels do not depend on it.

    Returns
    -------
    LabelledDraws

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator, or a file of the folder is damaged.
    InputError
        When n or the seed breaks its rule, when the panel predicts other attributes or in another
        order, or when the folder belongs to another run.
    ModelOutputError
        When a model returns something wrong.
    StorageError
        When the folder cannot be written.
    """
    sampler.check_models(models)
    source = CodeSource(
        f"sampler {sampler.digest}, seed {seed}",
        lambda start, stop: sampler.draw(stop - start, seed, start=start).codes,
    )
    table = label_codes(
        models,
        source,
        n,
        folder,
        stage=stage,
        execution=execution,
    )
    return LabelledDraws(table.labels(), sampler.requested(n, seed))

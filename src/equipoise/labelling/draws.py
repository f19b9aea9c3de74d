"""Labels of a sampler's draws: what calibration, measurement and directed labelling count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.labelling.collect import label_codes
from equipoise.samplers.sampler import Sampler


@dataclass(frozen=True, eq=False)
class LabelledDraws:
    """One-shot draws with the cells that were requested and the labels that came out.

    Attributes
    ----------
    labels : Labels
        Of n images.
    requested : numpy.ndarray, shape (n,), int64
        Cell numbers.
    """

    labels: Labels
    requested: NDArray[np.int64]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Count requested against achieved cells, shape (K, K + 1); unknown comes last."""
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
    folder: Path,
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
    n, seed : int
        The draws.
    folder : Path
        Keeps the labels; a stopped run continues there.
    stage : str
        Name of the stage for progress.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the panel reads other attributes, or in another order.
    """
    sampler.check_models(models)
    table = label_codes(
        models,
        lambda start, stop: sampler.draw(stop - start, seed, start=start).codes,
        n,
        folder,
        source=f"sampler {sampler.digest}, seed {seed}",
        stage=stage,
        execution=execution,
    )
    return LabelledDraws(table.labels(), sampler.requested(n, seed))

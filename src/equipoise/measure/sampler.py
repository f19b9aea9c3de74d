"""A sampler's mix, measured on fresh draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers.panel import Panel
from equipoise.collection import label_codes
from equipoise.generators.base import Generator
from equipoise.measure.representation import (
    Confusion,
    Representation,
    check_comparable,
    confuse,
    represent,
)
from equipoise.measure.verdict import TOLERANCE
from equipoise.progress import Progress, silent
from equipoise.sampler import Sampler
from equipoise.targets import Target


@dataclass(frozen=True, eq=False)
class Measured:
    """What came out of a sampler.

    Attributes
    ----------
    representation : Representation
        Shares against the sampler's target.
    confusion : Confusion
        Requested against achieved.
    """

    representation: Representation
    confusion: Confusion


def measure_sampler(
    sampler: Sampler,
    generator: Generator,
    panel: Panel,
    n: int,
    seed: int,
    folder: Path,
    *,
    target: Target | None = None,
    tolerance: float = TOLERANCE,
    stage: str = "measure",
    workers: int | None = None,
    progress: Progress = silent,
) -> Measured:
    """Label n fresh draws and set them against the target.

    Parameters
    ----------
    sampler : Sampler
        Draws the codes.
    generator : Generator
        The one that the sampler was made for.
    panel : Panel
        Reads the sampler's attributes, in its order.
    n, seed : int
        Draws 0..n-1 of the seed.
    folder : Path
        Where the labels of the draws go; a stopped measurement goes on there.
    target : Target, optional
        What to compare with; the sampler's own by default.
    tolerance : float
        Departure of a share from its target that the verdict counts as met.
    stage : str
        What `progress` is told.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the panel reads other attributes, or in another order, the target has other cells, or
        the tolerance breaks its rule.
    """
    sampler.check_models(generator, panel)
    wanted = target or sampler.target
    check_comparable(sampler.groups, wanted, tolerance)
    table = label_codes(
        generator,
        panel,
        lambda start, stop: sampler.draw(stop - start, seed, start=start).codes,
        n,
        folder,
        source=f"sampler {sampler.digest}, seed {seed}",
        stage=stage,
        workers=workers,
        progress=progress,
    )
    labels = table.labels()
    return Measured(
        represent(labels, wanted, tolerance),
        confuse(sampler.groups, sampler.requested(n, seed), labels.cells),
    )

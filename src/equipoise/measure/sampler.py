"""A sampler's mix, measured on fresh draws.

Quality of a sampler's draws against rejection from the same prior, or a folder of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import check_count
from equipoise.core.progress import Progress, no_progress
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.labelling.collect import label_codes
from equipoise.measure.features import Features
from equipoise.measure.quality import Quality, quality_table
from equipoise.measure.references import reject, see_codes, see_files
from equipoise.measure.representation import (
    Confusion,
    Representation,
    check_comparable,
    confuse,
    represent,
)
from equipoise.measure.verdict import TOLERANCE
from equipoise.samplers.draw import exact_counts
from equipoise.samplers.sampler import Sampler


@dataclass(frozen=True, eq=False)
class MeasuredSampler:
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
    panel: ClassifierPanel,
    n: int,
    seed: int,
    folder: Path,
    *,
    target: Target | None = None,
    tolerance: float = TOLERANCE,
    stage: str = "measure",
    workers: int | None = None,
    progress: Progress = no_progress,
) -> MeasuredSampler:
    """Label n fresh draws and set them against the target.

    Parameters
    ----------
    sampler : Sampler
        Draws the codes.
    generator : Generator
        The one that the sampler was made for.
    panel : ClassifierPanel
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
    check_comparable(sampler.grid, wanted, tolerance)
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
    return MeasuredSampler(
        represent(labels, wanted, tolerance),
        confuse(sampler.grid, sampler.requested(n, seed), labels.cells),
    )


_REFERENCE_SEED = 2**58
"""Added to a seed for the reference's codes, which nothing was learnt from."""


def sampler_quality(
    sampler: Sampler,
    generator: Generator,
    panel: ClassifierPanel,
    features: Features,
    n: int,
    seed: int,
    *,
    drift_panel: ClassifierPanel | None = None,
    reference: Sequence[Path] = (),
    source: str | None = None,
    most: int = 1_000_000,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Quality:
    """Set n draws of a sampler against a reference of as many images.

    Parameters
    ----------
    sampler : Sampler
    generator : Generator
        The one that the sampler was made for.
    panel : ClassifierPanel
        Reads the sampler's attributes, in its order.
    features : Features
    n, seed : int
        Draws 0..n-1 of the seed, one-shot.
    watched : ClassifierPanel, optional
        Reads the sampler's attributes and those whose drift is wanted; `panel` by default.
    reference : sequence of Path
        Image files; by default images of the prior, as many of each cell as the target says, by
        rejection.
    source : str, optional
        Says what the files are, for reports.
    most : int
        Codes of the prior to try at most for the reference; where they hold too few of a cell, the
        reference says that its mix is another.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator, or a file is no picture.
    InputError
        When n breaks its rule, or the panel reads other attributes, or in another order.
    InsufficientLabelsError
        When a wanted cell has no reference image.
    """
    sampler.check_models(generator, panel)
    check_count("n", n, "Pass --n 6000.")
    reader = panel if drift_panel is None else drift_panel
    if reference:
        told = source or f"{len(reference):,} files"
        reference_images = see_files(
            reference, reader, features, workers=workers, progress=progress
        )
    else:
        named = (seed + _REFERENCE_SEED) % 2**63
        told = f"the generator's own images of each cell, by rejection (seed {named})"
        wanted = exact_counts(sampler.target, n)
        codes = reject(
            generator,
            panel,
            sampler.grid,
            wanted,
            named,
            most=most,
            workers=workers,
            progress=progress,
        )
        reference_images = see_codes(
            generator, codes, reader, features, workers=workers, progress=progress
        )
        found = reference_images.labels.restricted(sampler.grid).cells
        short = np.flatnonzero(np.bincount(found, minlength=len(wanted)) < wanted)
        if len(short):
            names = "; ".join(sampler.grid.cells[k] for k in short)
            told += f"; among {most:,} codes too few of {names}, so pooled rows compare other mixes"
    parts = [draws.codes for draws in sampler.stream(n, seed, batch=1024)]
    drawn = see_codes(
        generator, np.concatenate(parts), reader, features, workers=workers, progress=progress
    )
    return quality_table(drawn, reference_images, sampler.grid, source=told, workers=workers)

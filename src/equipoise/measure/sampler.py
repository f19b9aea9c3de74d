"""A sampler's mix, measured on fresh draws.

Quality of a sampler's draws against rejection from the same prior, or a folder of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import check_count
from equipoise.core.folders import Folder
from equipoise.core.labels import Labels
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed, generator_for
from equipoise.core.targets import Target
from equipoise.labelling.draws import label_draws
from equipoise.measure.features import Features
from equipoise.measure.quality import Quality, quality_table
from equipoise.measure.references import reject, see_codes, see_files
from equipoise.measure.representation import (
    Confusion,
    Representation,
    check_comparable,
    represent,
    summarise_confusion,
)
from equipoise.measure.verdict import TOLERANCE, measured_n
from equipoise.samplers.draw import gather_latents
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.verified import exact_counts, verified


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredSampler:
    """What came out of a sampler.

    Attributes
    ----------
    representation : Representation
        Shares against the sampler's target.
    confusion : Confusion
        Requested against achieved.
    labels : Labels
        Of the draws, in their order.
    """

    representation: Representation
    confusion: Confusion
    labels: Labels


def measure_sampler(
    sampler: Sampler,
    models: Models,
    n: int | None,
    seed: int,
    folder: Path | str | Folder,
    *,
    target: Target | None = None,
    tolerance: float = TOLERANCE,
    execution: Execution = Execution(),
) -> MeasuredSampler:
    """Label n fresh draws and set them against the target.

    Parameters
    ----------
    sampler : Sampler
        Draws the codes.
    models : Models
        The generator that the sampler was made for, and a panel of its attributes in its order.
    n : int, optional
        Draws 0..n-1 of the seed; by default as many as decide, see `measured_n`.
    seed : int
    folder : Path, str or Folder
        Folder of the labels of the draws; a stopped measurement is resumed from it.
    target : Target, optional
        What to compare with; the sampler's own by default.
    tolerance : float
        Departure of a share from its target that the verdict counts as met.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator.
    InputError
        When the panel reads other attributes, or in another order, the target has other cells, or
        the tolerance breaks its rule.
    """
    wanted = target or sampler.target
    check_comparable(sampler.grid, wanted, tolerance)
    draws = measured_n(n, wanted.shares, tolerance)
    drawn = label_draws(sampler, models, draws, seed, folder, stage="measure", execution=execution)
    return MeasuredSampler(
        representation=represent(drawn.labels, wanted, tolerance),
        confusion=summarise_confusion(sampler.grid, drawn.confusion),
        labels=drawn.labels,
    )


def sampler_quality(
    sampler: Sampler,
    models: Models,
    features: Features,
    n: int,
    seed: int,
    *,
    drift_panel: ClassifierPanel | None = None,
    reference: Sequence[Path] = (),
    source: str | None = None,
    max_codes: int = 1_000_000,
    of_verified: bool = False,
    faithful: str | None = None,
    execution: Execution = Execution(),
) -> Quality:
    """Set n draws of a sampler against a reference of as many images.

    Parameters
    ----------
    sampler : Sampler
    models : Models
        The generator that the sampler was made for, and a panel of its attributes in its order.
    features : Features
    n, seed : int
        Draws 0..n-1 of the seed, one-shot; or verified ones, as many of each cell as the target
        says.
    drift_panel : ClassifierPanel, optional
        Reads the sampler's attributes and those whose drift is wanted; `panel` by default.
    reference : sequence of Path
        Image files; by default images of the prior, as many of each cell as the target says, by
        rejection.
    source : str, optional
        Says what the files are, for reports.
    max_codes : int
        Codes of the prior to try at most for the reference; where they hold too few of a cell, the
        reference says that its mix is another.
    of_verified : bool
        Draw verified images. Images with weights are thinned: each is kept with a probability
        proportional to its weight, so that the kept ones stand for themselves.
    faithful : str, optional
        Of verified draws; see `Sampler.for_verified`.

    Raises
    ------
    FileFormatError
        When the sampler was made for another generator, or a file is no picture.
    InputError
        When n breaks its rule, or the panel reads other attributes, or in another order.
    InsufficientLabelsError
        When a wanted cell has no reference image.
    """
    sampler.check_models(models)
    check_count("n", n, "Pass --n 6000.")
    read_by = models if drift_panel is None else Models(models.generator, drift_panel)
    if reference:
        description = source or f"{len(reference):,} files"
        reference_images = see_files(reference, read_by.panel, features, execution=execution)
    else:
        named = child_seed(seed, Stream.REFERENCE_CODES)
        description = f"the generator's own images of each cell, by rejection (seed {named})"
        wanted = exact_counts(sampler.target, n)
        codes = reject(
            models,
            sampler.grid,
            wanted,
            named,
            most=max_codes,
            execution=execution,
        )
        reference_images = see_codes(read_by, codes, features, execution=execution)
        found = reference_images.labels.restricted(sampler.grid).cells
        short = np.flatnonzero(np.bincount(found, minlength=len(wanted)) < wanted)
        if len(short):
            names = "; ".join(sampler.grid.cells[k] for k in short)
            description += (
                f"; too few of {names} among {max_codes:,} codes, so pooled rows compare "
                "different mixes"
            )
    if of_verified:
        codes = _verified_codes(sampler, models, n, seed, faithful, execution)
    else:
        parts = [draws.codes for draws in sampler.stream(n, seed, batch=1024)]
        codes = np.concatenate(parts)
    drawn = see_codes(read_by, codes, features, execution=execution)
    return quality_table(
        drawn, reference_images, sampler.grid, source=description, workers=execution.workers
    )


def _verified_codes(
    sampler: Sampler,
    models: Models,
    n: int,
    seed: int,
    faithful: str | None,
    execution: Execution,
) -> NDArray[np.float32]:
    """Return codes of n verified draws, thinned by their weights within each cell."""
    counts = exact_counts(sampler.target, n)
    drawn, _ = gather_latents(
        verified(sampler, models, counts, seed, faithful=faithful, execution=execution)
    )
    largest = np.zeros(sampler.grid.size)
    np.maximum.at(largest, drawn.requested, drawn.weights)
    uniform = generator_for(seed, Stream.THINNED_DRAWS).random(len(drawn.codes))
    return np.asarray(drawn.codes[uniform * largest[drawn.requested] < drawn.weights])

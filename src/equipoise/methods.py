"""How a sampler is made from labelled codes: one function a method."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.directions import Directions, fit_directions
from equipoise.generators.base import Generator
from equipoise.labels import Labels
from equipoise.mixture import Mixture, MixtureSource, fit_mixture
from equipoise.progress import Progress, silent
from equipoise.sampler import Origin, Sampler
from equipoise.settings import Settings
from equipoise.shift import Moved, shift_codes
from equipoise.targets import Target


@dataclass(frozen=True, eq=False)
class Fitted:
    """A sampler with how it came about.

    Attributes
    ----------
    sampler : Sampler
    moved : tuple of (Moved or None)
        How far the shift moved the codes of each cell; None for a cell of target 0.
    """

    sampler: Sampler
    moved: tuple[Moved | None, ...]


def label_directions(generator: Generator, labels: Labels, settings: Settings) -> Directions:
    """Fit the directions of all attributes to the labelled codes of the prior."""
    codes = generator.prior.codes(settings.seed, 0, len(labels))
    return fit_directions(
        codes,
        labels,
        fraction=settings.fraction,
        multilevel=settings.multilevel,
        seed=settings.seed,
    )


def fit_shift(
    generator: Generator,
    directions: Directions,
    target: Target,
    settings: Settings,
    progress: Progress = silent,
) -> Fitted:
    """Run the recipe of arXiv 2012.04842 from directions to a sampler.

    Each cell of positive target gets codes shifted to its side of every hyperplane and a Gaussian
    mixture fitted to them; cells are requested as often as the target says.
    """
    cells = target.groups.size
    mixtures: list[Mixture | None] = []
    moved: list[Moved | None] = []
    for k, share in enumerate(target.shares):
        progress("fit", k, cells)
        if share == 0:
            mixtures.append(None)
            moved.append(None)
            continue
        shifted = shift_codes(
            generator.prior,
            directions,
            k,
            distance=settings.distance,
            per_cell=settings.per_cell,
            keep_norm=settings.keep_norm,
            seed=settings.seed,
        )
        mixtures.append(fit_mixture(shifted.codes, settings.components, seed=settings.seed))
        moved.append(shifted.moved)
    progress("fit", cells, cells)
    source = MixtureSource(tuple(mixtures))
    sampler = Sampler(Origin.of(generator), target, target.shares, source, settings.to_dict())
    return Fitted(sampler, tuple(moved))

"""Quality per cell: drawn images against a reference set, in the same features.

How far attributes that nobody asked for have moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, around
from equipoise.core.parallel import ordered_map
from equipoise.measure.drift import Drift, ScoreDrift, drift, score_drift
from equipoise.measure.references import Pictures
from equipoise.stats.distances import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    moments,
    self_similarity,
)
from equipoise.stats.intervals import exact_interval
from equipoise.stats.precision_recall import (
    DENSITY,
    MANIFOLD,
    expected_coverage,
    in_knn_balls,
    knn_radii,
)
from equipoise.stats.two_sample import distinguished

POOLED = "pooled"
"""Name of the row over all images with a cell."""


@dataclass(frozen=True, kw_only=True)
class CellQuality:
    """Quality of the images of one cell, or of all images.

    Attributes
    ----------
    name : str
        Of the cell, or `POOLED`.
    n, n_reference : int
        Drawn and reference images of the cell, as predicted by the classifiers.
    distinguished : Estimate
        Lower bound of the total variation to the reference: 0 where a two-sample classifier cannot
        distinguish the two sets. See `equipoise.stats.two_sample.distinguished`.
    frechet : Estimate
        Squared Frechet distance at these n, with the bias of small samples; no interval.
    frechet_extrapolated : Estimate
        The same, extrapolated to infinite n.
    kernel : Estimate
        Squared kernel distance (KID).
    precision, recall : Estimate
        Share of drawn images near the reference, and of reference images near the drawn ones. The
        intervals are exact for the counted set, given the other.
    density, coverage : Estimate
        The same with less weight to outliers. Density has Student's interval, given the reference;
        coverage has none.
    coverage_expected : float
        Mean of coverage for equal distributions at these n; NaN where coverage is.
    similarity, similarity_reference : Estimate
        Mean cosine between two images, about the mean of the whole reference; lower is more
        diverse.
    drift : tuple of Drift
        Of each level of each attribute that is not balanced.
    scores : tuple of ScoreDrift
        Of each balanced attribute that has scores.
    """

    name: str
    n: int
    n_reference: int
    distinguished: Estimate
    frechet: Estimate
    frechet_extrapolated: Estimate
    kernel: Estimate
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    coverage_expected: float
    similarity: Estimate
    similarity_reference: Estimate
    drift: tuple[Drift, ...]
    scores: tuple[ScoreDrift, ...]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Quality of a set of images, compared with a reference.

    Attributes
    ----------
    features, digest, about : str
        Name, digest and description of the features. Numbers can be compared only where the digest
        is the same.
    reference : str
        Description of the reference.
    unknown, unknown_reference : int
        Images of unknown cell, which are left out.
    pooled : CellQuality
        All images of known cell. A different mix of cells counts as a difference.
    cells : tuple of CellQuality
        One per cell.
    """

    features: str
    digest: str
    about: str
    reference: str
    unknown: int
    unknown_reference: int
    pooled: CellQuality
    cells: tuple[CellQuality, ...]


def quality_table(
    drawn: Pictures,
    reference: Pictures,
    grid: AttributeGrid,
    *,
    source: str = "images that were given",
    seed: int = 0,
    workers: int | None = None,
) -> Quality:
    """Return the quality of drawn images, per cell and pooled.

    Parameters
    ----------
    drawn, reference : Pictures
        In the same features, labelled by the same classifiers.
    grid : AttributeGrid
        The balanced attributes; the drift is that of all other labelled attributes.
    source : str
        Description of the reference, for reports.
    seed : int
        Of the shuffle of the extrapolation, and of the bootstrap.
    workers : int, optional
        Cells side by side; all cores by default. The numbers do not depend on it beyond rounding.

    Raises
    ------
    InputError
        When features or labels of the two sets differ in kind.
    """
    if drawn.digest != reference.digest:
        raise InputError(
            "features of the reference",
            f"must be those of the drawn images, {drawn.name} {drawn.digest[:12]}",
            f"{reference.name} {reference.digest[:12]}",
            "Read both sets with the same features.",
        )
    names = drawn.labels.grid.names
    if set(names) != set(reference.labels.grid.names):
        raise InputError(
            "labels of the reference",
            f"must have the attributes {', '.join(names)}",
            ", ".join(reference.labels.grid.names),
            "Label both sets by the same classifiers.",
        )
    others = tuple(name for name in names if name not in grid.names)
    cells = [part.labels.restricted(grid).cells for part in (drawn, reference)]
    known = [rows != UNKNOWN for rows in cells]
    centre = np.zeros(drawn.features.shape[1])
    if known[1].any():
        centre = reference.features[known[1]].mean(axis=0, dtype=np.float64)

    def row(cell: int | None) -> CellQuality:
        rows = known if cell is None else [own == cell for own in cells]
        name = POOLED if cell is None else grid.cells[cell]
        parts = drawn.take(rows[0]), reference.take(rows[1])
        return _compare(name, *parts, centre, others, grid.names, seed)

    order: list[int | None] = [None, *range(grid.size)]
    pooled, *each = ordered_map(row, order, workers)
    return Quality(
        features=drawn.name,
        digest=drawn.digest,
        about=drawn.about,
        reference=source,
        unknown=int((~known[0]).sum()),
        unknown_reference=int((~known[1]).sum()),
        pooled=pooled,
        cells=tuple(each),
    )


def _compare(
    name: str,
    drawn: Pictures,
    reference: Pictures,
    centre: NDArray[np.float64],
    others: tuple[str, ...],
    balanced: tuple[str, ...],
    seed: int,
) -> CellQuality:
    x, y = (part.features.astype(np.float64) for part in (drawn, reference))
    inside, recalled = _nearby(x, y)
    crowding, covered = _crowding(x, y)
    applies = not np.isnan(covered.value)
    return CellQuality(
        name=name,
        n=len(x),
        n_reference=len(y),
        distinguished=distinguished(x, y, seed=seed),
        frechet=_frechet(x, y),
        frechet_extrapolated=frechet_extrapolated(x, y, seed),
        kernel=kernel_distance(x, y),
        precision=inside,
        recall=recalled,
        density=crowding,
        coverage=covered,
        coverage_expected=expected_coverage(len(x), len(y)) if applies else float("nan"),
        similarity=self_similarity(x, centre, seed),
        similarity_reference=self_similarity(y, centre, seed),
        drift=drift(drawn.labels, reference.labels, others),
        scores=score_drift(drawn.labels, reference.labels, balanced),
    )


def _frechet(x: NDArray[np.float64], y: NDArray[np.float64]) -> Estimate:
    least, dim = min(len(x), len(y)), x.shape[1]
    if least < 2:
        return Estimate.missing(f"{least} images, at least 2 are needed")
    value = frechet_distance(moments(x, ddof=1), moments(y, ddof=1))
    short = f"{least} images for {dim} features: a covariance is singular, and the distance far "
    return Estimate(value, note=f"{short}too large" if least <= dim else "")


def _nearby(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Estimate, Estimate]:
    """Return precision and recall."""
    least = min(len(x), len(y))
    if least <= MANIFOLD:
        why = Estimate.missing(f"{least} images, at least {MANIFOLD + 1} are needed")
        return why, why
    return (
        _share(in_knn_balls(x, y, knn_radii(y, MANIFOLD)).balls > 0),
        _share(in_knn_balls(y, x, knn_radii(x, MANIFOLD)).balls > 0),
    )


def _crowding(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Estimate, Estimate]:
    """Return density and coverage."""
    if len(x) < 2 or len(y) <= DENSITY:
        why = Estimate.missing(
            f"{len(x)} drawn and {len(y)} reference images, at least 2 and {DENSITY + 1} are needed"
        )
        return why, why
    held = in_knn_balls(x, y, knn_radii(y, DENSITY))
    each = held.balls / DENSITY
    error = float(each.std(ddof=1) / np.sqrt(len(each)))
    return around(float(each.mean()), error, len(each) - 1), Estimate(float(held.occupied.mean()))


def _share(hits: NDArray[np.bool_]) -> Estimate:
    return Estimate(float(hits.mean()), *exact_interval(int(hits.sum()), len(hits)))

"""Quality per cell: drawn images against a reference set, in the same features.

How far attributes that nobody asked for have moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm

from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.estimates import CONFIDENCE, Estimate, around
from equipoise.core.labels import Labels
from equipoise.core.parallel import ordered_map
from equipoise.measure.references import Pictures
from equipoise.stats.distances import (
    frechet_distance,
    frechet_extrapolated,
    kernel_distance,
    moments,
    self_similarity,
)
from equipoise.stats.intervals import exact_interval, score_interval
from equipoise.stats.precision_recall import (
    DENSITY,
    MANIFOLD,
    expected_coverage,
    in_knn_balls,
    knn_radii,
)

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


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The share of one level in drawn and in reference images.

    Attributes
    ----------
    name : str
        "age=under_30".
    count, n : int
        Drawn images of that level, among those known on the attribute.
    count_reference, n_reference : int
        The same of the reference.
    difference : Estimate
        Drawn share less reference share, in [-1, 1], with Newcombe's interval.
    """

    name: str
    count: int
    n: int
    count_reference: int
    n_reference: int
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class ScoreDrift:
    """The scores of one attribute in drawn and in reference images.

    Draws that favour clear members of a cell show here: their scores lie further from the border
    of the level, while levels and distances are alike.

    Attributes
    ----------
    attribute : str
    median, median_reference : float
        Of the scores: a probability, an age in years, an angle in degrees.
    distance : float
        Of Kolmogorov and Smirnov: the largest difference between the two distributions, in [0, 1].
        It is at most their total variation.
    p_value : float
        Of equal distributions; not adjusted for other tests.
    """

    attribute: str
    median: float
    median_reference: float
    distance: float
    p_value: float


def score_drift(drawn: Labels, reference: Labels, names: tuple[str, ...]) -> tuple[ScoreDrift, ...]:
    """Return the drift of the scores of some attributes, where both sets have scores."""
    found = []
    for name in names:
        one, other = (
            labels.scores[:, labels.grid.attribute(name)] for labels in (drawn, reference)
        )
        one, other = one[np.isfinite(one)], other[np.isfinite(other)]
        if min(len(one), len(other)) < 2:
            continue
        test = ks_2samp(one, other)
        found.append(
            ScoreDrift(
                attribute=name,
                median=float(np.median(one)),
                median_reference=float(np.median(other)),
                distance=float(test.statistic),
                p_value=float(test.pvalue),
            )
        )
    return tuple(found)


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share (1927) at `CONFIDENCE`; n is at least 1."""
    low, high = score_interval(np.array([count / n]), n, float(norm.ppf((1 + CONFIDENCE) / 2)))
    return float(low[0]), float(high[0])


def share_difference(count: int, n: int, other_count: int, other_n: int) -> Estimate:
    """Return the difference of two independent shares (Newcombe 1998, method 10).

    Its limits combine those of Wilson's intervals of the two shares. NaN where a set is empty.

    Examples
    --------
    >>> found = share_difference(56, 70, 48, 80)  # table II (a) of the paper
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    if min(n, other_n) == 0:
        return Estimate.missing("no known image in one of the sets")
    one, other = count / n, other_count / other_n
    low1, high1 = wilson_interval(count, n)
    low2, high2 = wilson_interval(other_count, other_n)
    difference = one - other
    low = difference - np.hypot(one - low1, high2 - other)
    high = difference + np.hypot(high1 - one, other - low2)
    return Estimate(difference, float(low), float(high))


def drift(drawn: Labels, reference: Labels, attributes: tuple[str, ...]) -> tuple[Drift, ...]:
    """Return the drift of each level of each attribute, unknown images left out.

    Raises
    ------
    InputError
        When the two sets of labels have different levels of an attribute.
    """
    found = []
    for name in attributes:
        places = [labels.grid.attribute(name) for labels in (drawn, reference)]
        kinds = [
            labels.grid.attributes[a] for labels, a in zip((drawn, reference), places, strict=True)
        ]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"levels of {name!r} in the reference",
                f"must be {', '.join(kinds[0].levels)}",
                ", ".join(kinds[1].levels),
                "Label both sets by the same classifiers.",
            )
        one, other = (
            labels.levels[labels.levels[:, a] != UNKNOWN, a]
            for labels, a in zip((drawn, reference), places, strict=True)
        )
        for level, word in enumerate(kinds[0].levels):
            count, count_reference = int((one == level).sum()), int((other == level).sum())
            found.append(
                Drift(
                    name=f"{name}={word}",
                    count=count,
                    n=len(one),
                    count_reference=count_reference,
                    n_reference=len(other),
                    difference=share_difference(count, len(one), count_reference, len(other)),
                )
            )
    return tuple(found)

"""The mix within every context: a prompt, a class, a folder. A pool over contexts hides bias.

A generator that gives men for one prompt and women for another is balanced over both together.
So shares, intervals and verdicts are those of each context, and hold together over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from equipoise.core.attributes import UNKNOWN
from equipoise.core.context_targets import ContextTargets
from equipoise.core.errors import InputError
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.labels import Labels
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.targets import Target
from equipoise.measure.diversity import ContextDiversity, measure_diversity
from equipoise.measure.representation import (
    Representation,
    check_comparable,
    divergence,
    noise_floor,
    represent,
)
from equipoise.measure.verdict import TOLERANCE, Outcome, cell_tolerances, decide
from equipoise.stats.intervals import intervals_of_sets, simultaneous_intervals

_SIMULATIONS = 200
"""Simulated samples of all contexts, for the mean deviation ratio; chosen by hand."""

_MOST_AT_ONCE = 1_000_000
"""Simulated counts that are held at a time."""

_DECILE = 0.9


@dataclass(frozen=True, kw_only=True)
class ContextMix:
    """The mix within one context.

    Attributes
    ----------
    name : str
        The context.
    target : tuple of float
        Share that each cell is to have.
    n : int
        Images.
    unknown : int
        Images on which a classifier abstained; they count in no cell.
    counts : tuple of int
        Images of each cell.
    low, high : tuple of float
        Intervals of the cells' shares that hold at 95 % together, over all cells of all contexts.
    deviation : Estimate
        Deviation ratio (`deviation_ratio`), with the interval that follows from those of the
        shares; missing without a known image.
    farthest : str
        The cell whose share is farthest from its target; empty without a known image.
    verdict : str
        "meets": every interval lies within the tolerance of its target. "misses": some interval
        lies outside. "undecided": the images are too few. "not_applicable": none is known.
    """

    name: str
    target: tuple[float, ...]
    n: int
    unknown: int
    counts: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    deviation: Estimate
    farthest: str
    verdict: Outcome


@dataclass(frozen=True, kw_only=True)
class AbsentCell:
    """A wanted cell of which a context has no image.

    Attributes
    ----------
    context, cell : str
        Where it is missing, and what.
    n : int
        Known images of the context.
    most : float
        Upper end of the cell's simultaneous interval there.
    calls : float
        Generator calls that one image of it needs at least: 1 / `most`.
    """

    context: str
    cell: str
    n: int
    most: float
    calls: float


@dataclass(frozen=True, kw_only=True)
class ContextsMeasurement:
    """The mix within every context, and over all of them together.

    Attributes
    ----------
    cells : tuple of str
        Names of the K cells.
    target : tuple of float
        Share that each cell is to have within every context that has no target of its own.
    tolerance : float
        Departure from it that a verdict counts as met, at most.
    contexts : tuple of ContextMix
        By deviation ratio, the largest first; contexts without a known image last.
    absent : tuple of AbsentCell
        Cells with a positive target that never occur in a context.
    mean : Estimate
        Mean deviation ratio of the contexts with a known image, each counted once. Below, the
        interval is wider by a bound of the bias that few images a context bring.
    floor : float
        That mean for a perfect generator at these numbers of images.
    worst_decile : Estimate
        Deviation ratio that a tenth of the contexts reach, with the interval that follows from
        those of all contexts together.
    kl, kl_floor : float
        Mean over contexts of KL(achieved || target) in nats, and the same for a perfect generator.
    pooled : Representation
        Of all images, whatever their context. Its target is what the pool has where every context
        has its own.
    pooled_deviation : Estimate
        Deviation ratio of all images, with the interval from the simultaneous ones of its shares.
    warning : str
        What the pooled number hides, in a sentence.
    diversity : ContextDiversity or None
        Of neutral contexts and of the others, where neutral ones are named.
    """

    cells: tuple[str, ...]
    target: tuple[float, ...]
    tolerance: float
    contexts: tuple[ContextMix, ...]
    absent: tuple[AbsentCell, ...]
    mean: Estimate
    floor: float
    worst_decile: Estimate
    kl: float
    kl_floor: float
    pooled: Representation
    pooled_deviation: Estimate
    warning: str
    diversity: ContextDiversity | None = None

    def with_verdict(self, code: Outcome) -> int:
        """Return the number of contexts with a verdict."""
        return sum(context.verdict == code for context in self.contexts)


def deviation_ratio(shares: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """Return the largest |share - target| over the largest that any shares could have.

    The largest possible one is 1 less the least target share: all images in that cell. Against the
    uniform target this is the deviation ratio of the papers on text-to-image models, max |N_k / N -
    1 / K| / (1 - 1 / K).

    Parameters
    ----------
    shares : array_like, shape (..., K)
    target : array_like, shape (K,) or (..., K)
        At least two cells.

    Returns
    -------
    numpy.ndarray, shape (...), float64
        In [0, 1]; 0 is best.

    Examples
    --------
    >>> deviation_ratio([[1.0, 0.0], [0.6, 0.4]], [0.5, 0.5]).round(3).tolist()
    [1.0, 0.2]
    """
    wanted = np.asarray(target, np.float64)
    gaps = np.abs(np.asarray(shares, np.float64) - wanted)
    return np.asarray(gaps.max(axis=-1) / (1 - wanted.min(axis=-1)))


def measure_contexts(
    labels: Labels,
    contexts: Sequence[str],
    target: Target | ContextTargets | None = None,
    tolerance: float = TOLERANCE,
    *,
    empty: Sequence[str] = (),
    neutral: Sequence[str] = (),
) -> ContextsMeasurement:
    """Return the mix within every context.

    Parameters
    ----------
    labels : Labels
        Of n images.
    contexts : sequence of str
        Context of each image.
    target : Target or ContextTargets, optional
        Wanted within every context, or within each; uniform by default.
    tolerance : float
        Departure of a share from its target that a verdict counts as met, above 0.
    empty : sequence of str
        Contexts that are known to have no image; they are listed as such.
    neutral : sequence of str
        Contexts that ask for no kind of person, for the diversity of `measure_diversity`.

    Raises
    ------
    InputError
        When there is no image, the numbers of labels and contexts differ, a context is without a
        name, a target has other cells or is of no context here, or the tolerance breaks its rule.
    """
    grid = labels.grid
    given = Target.uniform(grid) if target is None else target
    targets = given if isinstance(given, ContextTargets) else ContextTargets(given, {})
    for one in (targets.common, *targets.own.values()):
        check_comparable(grid, one, tolerance)
    names, of_image = _numbered(contexts, empty, len(labels))
    known = labels.cells != UNKNOWN
    places = of_image[known] * grid.size + labels.cells[known]
    size = len(names), grid.size
    counts = np.bincount(places, minlength=size[0] * size[1]).reshape(size)
    images = np.bincount(of_image, minlength=len(names))
    n, shares = counts.sum(axis=1), np.array([one.shares for one in targets.of(names)])
    low, high = intervals_of_sets(counts)
    found = counts / np.maximum(n, 1)[:, None]
    ratios = np.where(n > 0, deviation_ratio(found, shares), np.nan)
    least, most = _ratio_bounds(low, high, shares)
    farthest = np.abs(found - shares).argmax(axis=1)
    mixes = [
        ContextMix(
            name=names[c],
            target=tuple(shares[c].tolist()),
            n=int(images[c]),
            unknown=int(images[c] - n[c]),
            counts=tuple(counts[c].tolist()),
            low=tuple(low[c].tolist()),
            high=tuple(high[c].tolist()),
            deviation=Estimate(float(ratios[c]), float(least[c]), float(most[c]))
            if n[c]
            else Estimate.missing("no known image"),
            farthest=grid.cells[farthest[c]] if n[c] else "",
            verdict=decide(low[c], high[c], shares[c], cell_tolerances(shares[c], tolerance))
            if n[c]
            else "not_applicable",
        )
        for c in np.argsort(-ratios, kind="stable")
    ]
    some = np.flatnonzero(n)
    mix = np.average(shares, axis=0, weights=n) if len(some) else targets.common.shares
    over_all = Target(grid, mix, "as every context")
    mean, floor = _mean_ratio(counts[some], shares[some])
    together = _pooled_ratio(counts.sum(axis=0), over_all.shares)
    return ContextsMeasurement(
        cells=grid.cells,
        target=tuple(targets.common.shares.tolist()),
        tolerance=tolerance,
        contexts=tuple(mixes),
        absent=tuple(
            AbsentCell(
                context=names[c],
                cell=grid.cells[k],
                n=int(n[c]),
                most=float(high[c, k]),
                calls=float(1 / high[c, k]),
            )
            for c, k in np.argwhere((counts == 0) & (shares > 0) & (n > 0)[:, None])
        ),
        mean=mean,
        floor=floor,
        worst_decile=_decile(ratios[some], least[some], most[some]),
        kl=_mean([divergence(found[c], shares[c]) for c in some]),
        kl_floor=_mean_floor(n[some], shares[some]),
        pooled=represent(labels, over_all, tolerance),
        pooled_deviation=together,
        warning=_warning(mean, floor, together),
        diversity=measure_diversity(labels, contexts, neutral) if neutral else None,
    )


def _numbered(
    contexts: Sequence[str], empty: Sequence[str], images: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the contexts, in order of appearance, and the number of each image's."""
    if not images:
        raise InputError("labels", "must be of at least one image", "none", "Give some images.")
    if len(contexts) != images:
        rule = f"must be one for each of the {images:,} images"
        raise InputError("contexts", rule, len(contexts), "Name the context of every image.")
    numbers: dict[str, int] = {}
    rows = np.array([numbers.setdefault(name, len(numbers)) for name in contexts], np.int64)
    for name in empty:
        numbers.setdefault(name, len(numbers))
    if any(not name.strip() for name in numbers):
        raise InputError("context", "must have a name", "an empty one", "Name every context.")
    return list(numbers), rows


def _ratio_bounds(
    low: NDArray[np.float64], high: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest deviation ratio of shares within intervals, (..., K)."""
    nearest = np.clip(target, low, high)
    farthest = np.where(target - low > high - target, low, high)
    return deviation_ratio(nearest, target), deviation_ratio(farthest, target)


def _mean_ratio(counts: NDArray[np.int64], target: NDArray[np.float64]) -> tuple[Estimate, float]:
    """Return the mean deviation ratio of contexts, and that of a perfect generator; both (C, K).

    The maximum of noisy gaps is too large on average, by at most the mean of the largest noise.
    Its variance and that bound are simulated at the observed shares, after half an image is added
    to each cell so that a context of one image has noise too.
    """
    sets = len(counts)
    if not sets:
        return Estimate.missing("no known image"), float("nan")
    n, cells = counts.sum(axis=1), counts.shape[1]
    shares = (counts + 0.5) / (n + cells / 2)[:, None]
    rng = generator_for(0, Stream.CONTEXT_DEVIATION)
    floor = noise = 0.0
    total, squares = np.zeros(sets), np.zeros(sets)
    step = max(_MOST_AT_ONCE // counts.size, 1)
    for first in range(0, _SIMULATIONS, step):
        size = min(step, _SIMULATIONS - first), sets
        drawn = rng.multinomial(n, shares, size) / n[:, None]
        ratios = deviation_ratio(drawn, target)
        total += ratios.sum(axis=0)
        squares += (ratios**2).sum(axis=0)
        noise += float((np.abs(drawn - shares).max(axis=2) / (1 - target.min(axis=1))).sum() / sets)
        perfect = rng.multinomial(n, target, size) / n[:, None]
        floor += float(deviation_ratio(perfect, target).sum() / sets)
    variance = (squares - total**2 / _SIMULATIONS) / (_SIMULATIONS - 1)
    reach = float(norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance.sum()) / sets)
    value = float(deviation_ratio(counts / n[:, None], target).mean())
    low = max(value - noise / _SIMULATIONS - reach, 0.0)
    return Estimate(value, low, min(value + reach, 1.0)), floor / _SIMULATIONS


def _decile(
    ratios: NDArray[np.float64], least: NDArray[np.float64], most: NDArray[np.float64]
) -> Estimate:
    if not len(ratios):
        return Estimate.missing("no known image")
    value, low, high = np.quantile([ratios, least, most], _DECILE, axis=1).tolist()
    return Estimate(value, low, high)


def _pooled_ratio(counts: NDArray[np.int64], target: NDArray[np.float64]) -> Estimate:
    if not counts.sum():
        return Estimate.missing("no known image")
    least, most = _ratio_bounds(*simultaneous_intervals(counts), target)
    value = deviation_ratio(counts / counts.sum(), target)
    return Estimate(float(value), float(least), float(most))


def _mean_floor(n: NDArray[np.int64], target: NDArray[np.float64]) -> float:
    rows, often = np.unique(np.column_stack([n, target]), axis=0, return_counts=True)
    floors = [noise_floor(row[1:], int(row[0])) for row in rows]
    return float(np.average(floors, weights=often)) if floors else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _warning(mean: Estimate, floor: float, pooled: Estimate) -> str:
    if np.isnan(mean.value):
        return "No image is known."
    if mean.low > max(pooled.high, floor):
        return (
            f"The pool hides bias: its deviation ratio is {pooled.value:.2f}, but within contexts "
            f"it is {mean.value:.2f} on average."
        )
    return "A pool over contexts can hide bias of opposite signs: read the contexts."

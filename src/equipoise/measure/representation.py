"""Which shares came out, how sure that is, and how far they are from the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from scipy.stats import binom

from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.frames import Tabular
from equipoise.core.labels import Labels
from equipoise.core.notebook import as_html
from equipoise.core.numbers import interval, percent
from equipoise.core.targets import Target
from equipoise.measure.verdict import TOLERANCE, Verdict, judge
from equipoise.stats.intervals import simultaneous_intervals
from equipoise.stats.shares import Share, exact_estimate


@dataclass(frozen=True, kw_only=True)
class MixShare(Share):
    """A share of a cell or level, with its target.

    Attributes
    ----------
    target : float or None
        The target's share; None without a target.
    joint : tuple of float
        The simultaneous interval at 95 %, over all cells or all levels of the attribute; NaN where
        n is 0.
    """

    target: float | None
    joint: tuple[float, float]


_NUMBERS = ("share", "low", "high", "joint_low", "joint_high", "target")

_SHARES = pa.schema(
    [("of", pa.string()), ("name", pa.string()), ("count", pa.int64()), ("n", pa.int64())]
    + [(name, pa.float64()) for name in _NUMBERS]
)


class Shares(tuple[MixShare, ...]):
    """Shares that a notebook shows as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self.as_html(f"{self[0].n:,} images." if self else "No cells.")

    def as_html(self, words: str) -> str:
        """Return the table as HTML, under a sentence."""
        rows = [(s.name, percent(s.target), percent(s.share), interval(*s.joint)) for s in self]
        return as_html(words, ("cell", "target", "share", "95 %, all together"), rows)


@dataclass(frozen=True, kw_only=True)
class Representation(Tabular):
    """The mix of a set of images.

    Attributes
    ----------
    n : int
        Images.
    unknown : int
        Images on which a classifier abstained on some attribute; they count in no cell.
    cells : tuple of MixShare
        One for each cell, among the known images.
    attributes : tuple of tuple of MixShare
        For each attribute one for each level, among the images known on that attribute.
    kl : float or None
        KL(achieved || target) in nats, at least 0, lower is better; infinite when a cell of
        target 0 has images; None without a target or without known images.
    kl_floor : float or None
        Mean of `kl` for a perfect sampler at this n, about (K - 1) / (2 n) with K the cells of
        positive target. A `kl` near its floor is not significantly above 0.
    kl_corrected : float or None
        `kl` less its floor, at least 0: without the bias of finite n (Miller 1955).
    total_variation : float or None
        Half the sum of the absolute differences from the target, in [0, 1]: the share of images
        in a wrong cell.
    l2 : float or None
        Euclidean distance of the shares from the target, cells without images counted (the
        fairness discrepancy of Choi et al. 2020, arXiv 1910.12008, section 4, on hard labels).
    ratio : float or None
        Largest over smallest share / target among cells of positive target; 1 is even, infinite
        when a cell has no image.
    verdict : Verdict
        Whether the target is met.
    """

    n: int
    unknown: int
    cells: tuple[MixShare, ...]
    attributes: tuple[tuple[MixShare, ...], ...]
    kl: float | None
    kl_floor: float | None
    kl_corrected: float | None
    total_variation: float | None
    l2: float | None
    ratio: float | None
    verdict: Verdict

    def table(self) -> pa.Table:
        """Return a row for each cell, and then for each level of each attribute.

        Columns are `of`, "cell" or the attribute, `name`, `count`, `n`, `share`, its own interval
        `low` and `high`, the simultaneous one `joint_low` and `joint_high`, and `target`, null
        without one.
        """
        names = (next(iter(part)).name.partition("=")[0] for part in self.attributes)
        parts = [("cell", self.cells), *zip(names, self.attributes, strict=True)]
        rows = [
            {
                "of": of,
                **{name: getattr(s, name) for name in ("name", "count", "n", "share")},
                **{"low": s.low, "high": s.high, "joint_low": s.joint[0], "joint_high": s.joint[1]},
                "target": s.target,
            }
            for of, part in parts
            for s in part
        ]
        return pa.Table.from_pylist(rows, _SHARES)

    def _repr_html_(self) -> str:
        words = f"{self.n:,} images. {self.verdict.words[:1].upper()}{self.verdict.words[1:]}."
        return Shares(self.cells).as_html(words)


def make_shares(
    names: Sequence[str], counts: NDArray[np.int64], target: NDArray[np.float64] | None
) -> tuple[MixShare, ...]:
    """Return shares with their own and their simultaneous intervals."""
    n = int(counts.sum())
    lows, highs = simultaneous_intervals(counts)
    return tuple(
        MixShare(
            name=name,
            count=int(count),
            n=n,
            estimate=exact_estimate(int(count), n),
            effective=float(n),
            target=None if target is None else float(target[k]),
            joint=(float(lows[k]), float(highs[k])),
        )
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    )


def divergence(achieved: ArrayLike, target: ArrayLike) -> float:
    """Return KL(achieved || target) in nats for two distributions of shape (K,).

    Infinite when a cell of target 0 has images.

    Examples
    --------
    >>> divergence([0.5, 0.5], [0.5, 0.5]), divergence([0.5, 0.5], [1.0, 0.0])
    (0.0, inf)
    """
    return float(rel_entr(np.asarray(achieved, float), np.asarray(target, float)).sum())


def noise_floor(target: ArrayLike, n: int) -> float:
    """Return the mean of the plug-in KL(p || target) for n draws from the target itself.

    The sum over cells of E[p log(p / t)], with n p binomial, is computed exactly. For n t well
    above 1 in every cell it is (K - 1) / (2 n), K the cells of positive target (Miller 1955); with
    cells so rare that most samples have none, that formula is too large.

    Examples
    --------
    >>> round(noise_floor([0.25] * 4, 1000) / (3 / 2000), 2)
    1.0
    """
    floor = 0.0
    for share in np.asarray(target, dtype=np.float64):
        if share > 0:
            reach = 12 * np.sqrt(n * share * (1 - share)) + 12
            low, high = max(0, int(n * share - reach)), min(n, int(n * share + reach))
            counts = np.arange(low, high + 1)
            floor += float(binom.pmf(counts, n, share) @ rel_entr(counts / n, share))
    return floor


def check_comparable(grid: AttributeGrid, target: Target | None, tolerance: float) -> None:
    """Check what `represent` is given before images are paid for.

    Raises
    ------
    InputError
        When the target has other cells, or the tolerance breaks its rule.
    """
    if target is not None and target.grid != grid:
        raise InputError(
            "target",
            f"must have the cells of {' x '.join(grid.names)}",
            " x ".join(target.grid.names),
            "Give a target for the attributes that are measured.",
        )
    if not 0 < tolerance < 1:
        raise InputError("tolerance", "must be in (0, 1)", tolerance, "Pass 0.02.")


def represent(
    labels: Labels, target: Target | None = None, tolerance: float = TOLERANCE
) -> Representation:
    """Return the mix of labelled images.

    Parameters
    ----------
    labels : Labels
        Of n images.
    target : Target, optional
        Over the same cells.
    tolerance : float
        Departure of a share from its target that the verdict counts as met, above 0.

    Raises
    ------
    InputError
        When the target has other cells, or the tolerance breaks its rule.
    """
    grid = labels.grid
    check_comparable(grid, target, tolerance)
    known = labels.cells[labels.cells != UNKNOWN]
    counts = np.bincount(known, minlength=grid.size)
    attributes = []
    for a, attribute in enumerate(grid.attributes):
        levels = labels.levels[:, a]
        found = np.bincount(levels[levels != UNKNOWN], minlength=len(attribute.levels))
        names = [f"{attribute.name}={level}" for level in attribute.levels]
        marginal = None if target is None else grid.marginal(target.shares, attribute.name)
        attributes.append(make_shares(names, found, marginal))
    wanted = None if target is None else target.shares
    kl = floor = corrected = variation = l2 = ratio = None
    if wanted is not None and len(known):
        shares = counts / len(known)
        kl, floor = divergence(shares, wanted), noise_floor(wanted, len(known))
        corrected = max(kl - floor, 0.0)
        variation = float(np.abs(shares - wanted).sum() / 2)
        l2 = float(np.linalg.norm(shares - wanted))
        relative = shares[wanted > 0] / wanted[wanted > 0]
        ratio = float(relative.max() / relative.min()) if relative.min() > 0 else np.inf
    return Representation(
        n=len(labels),
        unknown=len(labels) - len(known),
        cells=make_shares(grid.cells, counts, wanted),
        attributes=tuple(attributes),
        kl=kl,
        kl_floor=floor,
        kl_corrected=corrected,
        total_variation=variation,
        l2=l2,
        ratio=ratio,
        verdict=judge(counts, wanted, tolerance),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Confusion:
    """Requested and achieved cells.

    Attributes
    ----------
    counts : numpy.ndarray, shape (K, K + 1), int64
        Rows requested, columns achieved; the last column is unknown.
    purity : tuple of Share
        For each requested cell, the share of its images that are of that cell, unknown ones
        counted as misses.
    """

    counts: NDArray[np.int64]
    purity: tuple[Share, ...]

    def __post_init__(self) -> None:
        k = len(self.purity)
        if self.counts.shape != (k, k + 1) or (self.counts < 0).any():
            raise InputError(
                "counts",
                f"must be ({k}, {k + 1}) whole numbers of at least 0",
                self.counts.shape,
                "Measure again.",
            )


def summarise_confusion(grid: AttributeGrid, counts: NDArray[np.int64]) -> Confusion:
    """Return the confusion with each cell's purity from `LabelledDraws.confusion`, (K, K + 1)."""
    purity = tuple(
        Share.of(name, int(counts[k, k]), int(counts[k].sum())) for k, name in enumerate(grid.cells)
    )
    return Confusion(counts=counts, purity=purity)

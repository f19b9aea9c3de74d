"""Which shares came out, how sure that is, and how far they are from the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from scipy.stats import binom, binomtest

from equipoise.errors import InputError
from equipoise.estimates import LEVEL as LEVEL
from equipoise.groups import UNKNOWN, Groups
from equipoise.labels import Labels
from equipoise.targets import Target


@dataclass(frozen=True)
class Share:
    """A share with its interval.

    Attributes
    ----------
    name : str
        A cell, or a level of an attribute.
    count, n : int
        Images of that name among n.
    share, low, high : float
        In [0, 1]; the interval is exact (Clopper and Pearson 1934) at `LEVEL`; NaN when n
        is 0.
    target : float or None
        The wanted share.
    """

    name: str
    count: int
    n: int
    share: float
    low: float
    high: float
    target: float | None = None


@dataclass(frozen=True)
class Representation:
    """The mix of a set of images.

    Attributes
    ----------
    n : int
        Images looked at.
    unknown : int
        Images on which a classifier abstained on some attribute; they count in no cell.
    cells : tuple of Share
        One for each cell, among the known images.
    attributes : tuple of tuple of Share
        For each attribute one for each level, among the images known on that attribute.
    kl : float or None
        KL(achieved || target) in nats, at least 0, lower is better; infinite when a cell of
        target 0 came out; None without a target or without known images.
    kl_floor : float or None
        What `kl` is on average for a perfect sampler at this n, about (K - 1) / (2 n) with K the
        cells of positive target. A `kl` near its floor cannot be told from 0.
    """

    n: int
    unknown: int
    cells: tuple[Share, ...]
    attributes: tuple[tuple[Share, ...], ...]
    kl: float | None
    kl_floor: float | None


def exact_interval(count: int, n: int) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934) at `LEVEL`; NaN when n is 0.

    It covers the true share at least as often as `LEVEL` says, for every share and every n.
    Wilson's shorter interval falls below its level where n times the share is small, which is
    where rare cells are (docs/decisions/0002).

    Examples
    --------
    >>> low, high = exact_interval(50, 100)
    >>> round(low, 3), round(high, 3)
    (0.398, 0.602)
    """
    if n == 0:
        return np.nan, np.nan
    interval = binomtest(count, n).proportion_ci(LEVEL, method="exact")
    return float(interval.low), float(interval.high)


def make_share(name: str, count: int, n: int, target: float | None = None) -> Share:
    """Return a share with its interval."""
    low, high = exact_interval(count, n)
    return Share(name, count, n, count / n if n else np.nan, low, high, target)


def divergence(achieved: ArrayLike, target: ArrayLike) -> float:
    """Return KL(achieved || target) in nats for two distributions of shape (K,).

    Infinite when something came out that the target forbids.

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
    cells so rare that they hardly ever show, that formula would be too large.

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


def represent(labels: Labels, target: Target | None = None) -> Representation:
    """Return the mix of labelled images.

    Parameters
    ----------
    labels : Labels
        Of n images.
    target : Target, optional
        Over the same cells.

    Raises
    ------
    InputError
        When the target has other cells.
    """
    groups = labels.groups
    if target is not None and target.groups != groups:
        raise InputError(
            "target",
            f"must have the cells of {' x '.join(groups.names)}",
            " x ".join(target.groups.names),
            "Give a target for the attributes that are measured.",
        )
    known = labels.cells[labels.cells != UNKNOWN]
    counts = np.bincount(known, minlength=groups.size)
    wanted: list[float | None] = [None] * groups.size
    kl = floor = None
    if target is not None:
        wanted = [float(share) for share in target.shares]
        if len(known):
            kl = divergence(counts / len(known), target.shares)
            floor = noise_floor(target.shares, len(known))
    attributes = []
    for a, attribute in enumerate(groups.attributes):
        levels = labels.levels[:, a]
        levels = levels[levels != UNKNOWN]
        found = np.bincount(levels, minlength=len(attribute.levels))
        marginal = groups.marginal(target.shares, attribute.name) if target is not None else None
        attributes.append(
            tuple(
                make_share(
                    f"{attribute.name}={name}",
                    int(found[k]),
                    len(levels),
                    None if marginal is None else float(marginal[k]),
                )
                for k, name in enumerate(attribute.levels)
            )
        )
    cells = tuple(
        make_share(name, int(count), len(known), want)
        for name, count, want in zip(groups.cells, counts, wanted, strict=True)
    )
    return Representation(
        len(labels), len(labels) - len(known), cells, tuple(attributes), kl, floor
    )


@dataclass(frozen=True, eq=False)
class Confusion:
    """What came out of each request.

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


def confuse(groups: Groups, requested: ArrayLike, achieved: ArrayLike) -> Confusion:
    """Tabulate requested cells, shape (n,), against achieved cells, shape (n,), -1 for unknown."""
    rows, columns = np.asarray(requested), np.asarray(achieved)
    counts = np.zeros((groups.size, groups.size + 1), np.int64)
    np.add.at(counts, (rows, columns), 1)
    purity = tuple(
        make_share(name, int(counts[k, k]), int(counts[k].sum()))
        for k, name in enumerate(groups.cells)
    )
    return Confusion(counts, purity)

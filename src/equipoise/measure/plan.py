"""How many images a measurement needs, before any is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from equipoise.core.errors import InputError
from equipoise.core.estimates import CONFIDENCE
from equipoise.stats.intervals import critical_value, unseen_bound, unseen_needed

POWER = 0.8
"""Chance that a gap is found, where none is asked for."""

_LARGE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Number of images and cost of a measurement.

    Attributes
    ----------
    n : int
        Images.
    calls : int
        Generator calls, those of rejected draws included.
    seconds : float
        At the given speed; NaN where none is given.
    half_width : float
        Of the longest simultaneous interval at n.
    gap : float
        Smallest difference between a share and its target that is found with the given power at n,
        in the worst cell.
    power : float
        Probability of finding such a difference.
    """

    n: int
    calls: int
    seconds: float
    half_width: float
    gap: float
    power: float


def plan(
    shares: ArrayLike,
    *,
    half_width: float | None = None,
    gap: float | None = None,
    power: float = POWER,
    calls_per_image: float = 1.0,
    images_per_second: float | None = None,
) -> Plan:
    """Return the images that a wanted half-width or a wanted gap needs; the larger of both.

    A half-width h of share p with critical value c (simultaneous over cells, level 95 %) needs
    n = c^2 p (1 - p) / h^2. A gap g from target t is found, by a two-sided test of level
    5 % / K, with n = (z_a sqrt(t (1 - t)) + z_b sqrt(q (1 - q)))^2 / g^2, q = t + g or t - g
    (Fleiss, Levin and Paik 2003, section 2.5). Where t is 0 or 1 a single image out of place finds
    it, with a chance of 1 - (1 - g)^n; the interval of a cell of share 0 is exact as well.

    Parameters
    ----------
    shares : array_like, shape (K,)
        Expected shares, usually the target; sum to 1.
    half_width, gap : float, optional
        In (0, 1); at least one.
    power : float
        In (0, 1), for the gap.
    calls_per_image : float
        At least 1; 1 / purity for verified draws.
    images_per_second : float, optional

    Raises
    ------
    InputError
        When a number breaks its rule, or neither half-width nor gap is given.

    Examples
    --------
    >>> 9600 < plan([0.5, 0.5], half_width=0.01).n < 10_300
    True
    """
    expected = np.asarray(shares, dtype=np.float64)
    for name, value in (("half_width", half_width), ("gap", gap), ("power", power)):
        if value is not None and not 0 < value < 1:
            raise InputError(name, "must be in (0, 1)", value, "Pass 0.02.")
    if half_width is None and gap is None:
        raise InputError("half_width", "or gap must be given", None, "Pass --half-width 0.01.")
    if not calls_per_image >= 1:
        raise InputError("calls_per_image", "must be at least 1", calls_per_image, "Pass 1.")
    if gap is not None and not (_needed(expected, gap, power) > 0).any():
        raise InputError("gap", "must be one that some share can have", gap, "Pass 0.02.")
    critical, unseen = _critical(expected), int((expected == 0).sum())
    n = 1
    if half_width is not None:
        n = max(n, _ceil((critical**2 * expected * (1 - expected)).max() / half_width**2))
        if unseen and half_width < 0.5:
            n = max(n, _ceil(float(unseen_needed(2 * half_width, unseen))))
    if gap is not None:
        n = max(n, _ceil(_needed(expected, gap, power).max()))
    reach = critical * np.sqrt((expected * (1 - expected)).max() / n)
    return Plan(
        n=n,
        calls=_ceil(n * calls_per_image),
        seconds=n * calls_per_image / images_per_second if images_per_second else float("nan"),
        half_width=float(max(reach, unseen_bound(n, unseen) / 2 if unseen else 0.0)),
        gap=_detectable(expected, n, power),
        power=power,
    )


def verified_calls(purity: ArrayLike, target: ArrayLike) -> float:
    """Return generator calls per verified image: the sum over cells of target / purity.

    Raises
    ------
    InputError
        When a wanted cell was never asked for (NaN), or never came out (0).

    Examples
    --------
    >>> round(verified_calls([0.5, 0.8], [0.5, 0.5]), 3)
    1.625
    """
    found, shares = np.asarray(purity, np.float64), np.asarray(target, np.float64)
    wanted = shares > 0
    if np.isnan(found[wanted]).any():
        raise InputError(
            "purity",
            "must be known of every wanted cell",
            found.tolist(),
            "Ask for cells of the sampler's own target alone.",
        )
    if not (found[wanted] > 0).all():
        raise InputError(
            "purity",
            "must be above 0 in every wanted cell",
            found.tolist(),
            "Draw more images, or leave the cell out of the target.",
        )
    return float((shares[wanted] / found[wanted]).sum())


def _critical(shares: NDArray[np.float64]) -> float:
    """Return the simultaneous critical value at large n."""
    possible = shares[shares > 0]
    return critical_value(tuple(np.rint(possible * _LARGE).astype(int).tolist()))


def _needed(target: NDArray[np.float64], gap: float, power: float) -> NDArray[np.float64]:
    """Return the images that each cell needs; 0 where the gap cannot be."""
    alpha = norm.isf((1 - CONFIDENCE) / (2 * len(target)))
    beta = norm.ppf(power)
    worst = np.zeros(len(target))
    for other in (target + gap, target - gap):
        possible = (other >= 0) & (other <= 1)
        spread = alpha * np.sqrt(target * (1 - target))
        spread = spread + beta * np.sqrt(np.clip(other * (1 - other), 0, None))
        needed = np.where(
            (target > 0) & (target < 1), spread**2 / gap**2, np.log1p(-power) / np.log1p(-gap)
        )
        worst = np.where(possible, np.maximum(worst, needed), worst)
    return worst


def _detectable(target: NDArray[np.float64], n: int, power: float) -> float:
    """Return the smallest gap that n images find in every cell, by bisection; at most 1."""
    low, high = 1e-6, float(np.maximum(target, 1 - target).max())
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if _needed(target, middle, power).max() <= n else (middle, high)
    return float(high)


def _ceil(value: float) -> int:
    return int(np.ceil(value - 1e-9))

"""A share with its interval: one record for cells, levels, purities and rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import Estimate, OfEstimate
from equipoise.stats.intervals import effective_interval, exact_interval


@dataclass(frozen=True, kw_only=True)
class Share(OfEstimate):
    """A share of n images, with its interval.

    Attributes
    ----------
    name : str
        What it is a share of: a cell, a level, or the group whose images these are.
    count, n : int
        Images that are counted, among n.
    estimate : Estimate
        The share, weighted where images carry weights, with its interval at 95 % for this share
        alone: the exact one (Clopper and Pearson 1934), or that of as many effective images (Korn
        and Graubard 1998). NaN where n is 0.
    effective : float
        Effective number of images: n without weights.
    """

    name: str
    count: int
    n: int
    estimate: Estimate
    effective: float

    @staticmethod
    def of(name: str, count: int, n: int) -> Share:
        """Return the share of a count among n images.

        Examples
        --------
        >>> share = Share.of("smiling=yes", 50, 100)
        >>> share.share, round(share.low, 3), round(share.high, 3)
        (0.5, 0.398, 0.602)
        """
        estimate = exact_estimate(count, n)
        return Share(name=name, count=count, n=n, estimate=estimate, effective=float(n))

    @staticmethod
    def among(
        name: str,
        events: NDArray[np.bool_],
        trials: NDArray[np.bool_],
        weights: NDArray[np.float64] | None = None,
    ) -> Share:
        """Return the share of events among trials.

        The variance of a weighted share is that of a ratio of two sums, by linearisation (Sarndal,
        Swensson and Wretman 1992, "Model Assisted Survey Sampling", section 5.6); effective images
        are those that would have this variance without weights, and at most n.

        Parameters
        ----------
        name : str
        events, trials : numpy.ndarray, shape (n,), bool
            Masks of images.
        weights : numpy.ndarray, shape (n,), float64, optional
            Above 0.

        Examples
        --------
        >>> Share.among("young", np.array([True, True]), np.array([True, False])).count
        1
        """
        plain = Share.of(name, int((events & trials).sum()), int(trials.sum()))
        own = None if weights is None else weights[trials]
        if own is None or not len(own) or np.ptp(own) == 0:
            return plain
        own, hits = own / own.sum(), events[trials].astype(np.float64)
        share = float(own @ hits)
        effective = 1 / float(own @ own)
        if 0 < plain.count < plain.n:
            variance = float(np.square(own) @ np.square(hits - share))
            effective = share * (1 - share) / variance
        effective = min(effective, float(plain.n))
        estimate = Estimate(share, *effective_interval(share, effective))
        return replace(plain, estimate=estimate, effective=effective)

    @property
    def tested(self) -> tuple[int, int]:
        """Events and trials for tests of counts: whole effective images, at most n."""
        trials = int(self.effective)
        return (0, 0) if not trials else (round(self.share * trials), trials)


def effective_number(weights: NDArray[np.float64]) -> float:
    """Return the number of equal weights that inform as much (Kish 1965).

    Examples
    --------
    >>> effective_number(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def exact_estimate(count: int, n: int) -> Estimate:
    """Return count / n with its exact interval at 95 %; missing where n is 0."""
    if n == 0:
        return Estimate.missing("no such image")
    return Estimate(count / n, *exact_interval(count, n))

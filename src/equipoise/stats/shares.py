"""A share with its interval: one record for cells, levels, purities and rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.estimates import Estimate
from equipoise.stats.intervals import exact_interval


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of n images, with its interval.

    Attributes
    ----------
    name : str
        What it is a share of: a cell, a level, or the group whose images these are.
    count, n : int
        Images that are counted, among n.
    estimate : Estimate
        count / n, with the exact interval (Clopper and Pearson 1934) at 95 %, for this share
        alone; NaN where n is 0.
    """

    name: str
    count: int
    n: int
    estimate: Estimate

    @staticmethod
    def of(name: str, count: int, n: int) -> Share:
        """Return the share of a count among n images.

        Examples
        --------
        >>> share = Share.of("smiling=yes", 50, 100)
        >>> share.share, round(share.low, 3), round(share.high, 3)
        (0.5, 0.398, 0.602)
        """
        return Share(name=name, count=count, n=n, estimate=exact_estimate(count, n))

    @staticmethod
    def among(name: str, events: NDArray[np.bool_], trials: NDArray[np.bool_]) -> Share:
        """Return the share of events among trials; both are masks of images, shape (n,).

        Examples
        --------
        >>> Share.among("young", np.array([True, True]), np.array([True, False])).count
        1
        """
        return Share.of(name, int((events & trials).sum()), int(trials.sum()))

    @property
    def share(self) -> float:
        """The share itself, in [0, 1]; NaN where n is 0."""
        return self.estimate.value

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        return self.estimate.low

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        return self.estimate.high


def exact_estimate(count: int, n: int) -> Estimate:
    """Return count / n with its exact interval at 95 %; missing where n is 0."""
    if n == 0:
        return Estimate.missing("no such image")
    return Estimate(count / n, *exact_interval(count, n))

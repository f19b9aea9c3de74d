"""Estimates: a number with its interval, or the reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
"""Confidence level of all intervals, the usual one."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval.

    Attributes
    ----------
    value : float
        NaN where it is missing; `note` says why.
    low, high : float
        Confidence interval at the level `CONFIDENCE`; NaN when there is none.
    note : str
        A remark on this number; mostly empty.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    note: str = ""

    @classmethod
    def missing(cls, why: str) -> Estimate:
        """Return a missing number, with the reason."""
        return cls(np.nan, note=why)


class OfEstimate:
    """What has a share as its `estimate`: the three numbers by name."""

    estimate: Estimate

    @property
    def share(self) -> float:
        """The share itself, in [0, 1]; NaN where it is missing."""
        return self.estimate.value

    @property
    def low(self) -> float:
        """Lower end of its interval."""
        return self.estimate.low

    @property
    def high(self) -> float:
        """Upper end of its interval."""
        return self.estimate.high


def around(value: float, error: float, freedom: float) -> Estimate:
    """Return a value with its Student t interval, value +- t * error.

    Parameters
    ----------
    value : float
    error : float
        Standard error, at least 0.
    freedom : float
        Degrees of freedom, at least 1.
    """
    from scipy.stats import t  # Slow to import, and records hold estimates.

    reach = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Estimate(value, value - reach, value + reach)


def jackknife_error(left_out: ArrayLike) -> float:
    """Return the standard error by the jackknife (Efron and Stein 1981, equation 1.2).

    Parameters
    ----------
    left_out : array_like of float, shape (g,)
        Estimate i was computed without observation (or group) i.
    """
    values = np.asarray(left_out, np.float64)
    return float(np.sqrt((len(values) - 1) * values.var()))

"""CLEAM, the correction of Teo, Abdollahzadeh and Cheung (2023), for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.errors import InputError

_Z = 1.96


@dataclass(frozen=True)
class Cleam:
    """A corrected share of the first of two levels.

    Attributes
    ----------
    share : float
        The point estimate; may lie outside [0, 1].
    low, high : float
        The interval estimate, nominally 95 %; may reach outside [0, 1].
    """

    share: float
    low: float
    high: float


def cleam(counted: ArrayLike, accuracy: tuple[float, float]) -> Cleam:
    """Correct a binary share as CLEAM does.

    With m and s the mean and standard deviation of the counted shares of level 0 in S batches, and
    a_0, a_1 the classifier's accuracy on true level 0 and 1,

        share = (m - (1 - a_1)) / (a_0 - (1 - a_1)),
        low, high = the same with m -+ 1.96 s / sqrt(S) for m.

    Source: Teo, Abdollahzadeh and Cheung, "On Measuring Fairness in Generative Models", NeurIPS
    2023, the point and interval estimate of CLEAM (their algorithm 1), and their released code,
    which takes s with divisor S. The point estimate is that of Rogan and Gladen (1978).

    It takes the accuracies as known, so its interval leaves out the chance of which images were
    judged, and is too short unless very many were. It is a special case of
    `correct(..., given="truth")` with two levels and endlessly many judged images.

    Parameters
    ----------
    counted : array_like of float, shape (S,)
        Shares of answers 0 in S >= 2 batches of equal size, in [0, 1].
    accuracy : tuple of two float
        a_0 and a_1, in [0, 1].

    Raises
    ------
    InputError
        When there are fewer than two batches, a value is out of range, or a_0 + a_1 is 1, when
        answers tell nothing.

    Examples
    --------
    >>> found = cleam([0.81, 0.82, 0.83], (0.9, 0.9))
    >>> round(found.share, 3)
    0.9
    """
    shares = np.asarray(counted, np.float64)
    if shares.ndim != 1 or len(shares) < 2 or not ((shares >= 0) & (shares <= 1)).all():
        raise InputError(
            "counted", "must be at least two shares in [0, 1]", counted, "Give one for each batch."
        )
    right, other = accuracy
    if not (0 <= right <= 1 and 0 <= other <= 1) or np.isclose(right + other, 1):
        raise InputError(
            "accuracy",
            "must be two numbers in [0, 1] that do not sum to 1",
            accuracy,
            "Answers of such a classifier do not depend on the truth.",
        )
    mean, reach = shares.mean(), _Z * shares.std() / np.sqrt(len(shares))
    share, *ends = ((mean + d - (1 - other)) / (right - (1 - other)) for d in (0, -reach, reach))
    return Cleam(float(share), float(min(ends)), float(max(ends)))

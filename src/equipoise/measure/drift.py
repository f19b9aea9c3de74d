"""How far attributes that nobody asked for have moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from equipoise.errors import InputError
from equipoise.estimates import LEVEL, Estimate
from equipoise.groups import UNKNOWN
from equipoise.labels import Labels
from equipoise.measure.intervals import score_interval


@dataclass(frozen=True)
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


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share (1927) at `LEVEL`; n is at least 1."""
    low, high = score_interval(np.array([count / n]), n, float(norm.ppf((1 + LEVEL) / 2)))
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
        places = [labels.groups.attribute(name) for labels in (drawn, reference)]
        kinds = [
            labels.groups.attributes[a]
            for labels, a in zip((drawn, reference), places, strict=True)
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
            counts = int((one == level).sum()), len(one), int((other == level).sum()), len(other)
            found.append(Drift(f"{name}={word}", *counts, share_difference(*counts)))
    return tuple(found)

"""Drift: how far labels and scores of drawn images have moved from those of a reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.labels import Labels
from equipoise.stats.intervals import share_difference


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

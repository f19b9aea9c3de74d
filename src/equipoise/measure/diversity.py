"""Diversity within contexts, as HoloFair's MGBI puts it together.

The README of HoloFair (github.com/1059684669/HoloFair, arXiv 2605.24687) gives them in words:

- intrinsic diversity ID: the geometric mean, over attributes, of the normalised entropies H / log L
  of the images of neutral prompts;
- context-robust diversity CA_q: the lower quantile q = .1 of the diversity of each other prompt,
  which by an earlier version of the same file is a geometric mean of normalised entropies as well;
- MGBI = sqrt(ID CA_q), in [0, 1], where 1 is best.

It does not say how neutral prompts are put together, nor which quantile is meant. Here their images
are pooled, and the quantile is interpolated linearly (Hyndman and Fan's type 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from equipoise.core.errors import InputError, Listed
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.labels import Labels
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.tables import shown

QUANTILE = 0.1
"""Of the contexts, that CA_q reads: as in the paper."""

_RESAMPLES = 1000
_MOST_AT_ONCE = 1_000_000
"""Resampled counts that are held at a time."""


@dataclass(frozen=True, kw_only=True)
class ContextDiversity:
    """Diversity of neutral contexts and of all others; 1 is best.

    Intervals are of the bootstrap over images within each context: from the lesser of the lower
    ends of its percentile and basic intervals to the greater of the upper ones. Entropies of few
    images are too small, and those of resampled images again, so either interval alone is too
    short. Over 150 seeds of 12 and 42 contexts with 50 and 250 images, these held in .95 to 1.

    Attributes
    ----------
    neutral, others : int
        Contexts of either kind that have a known image of every attribute.
    intrinsic : Estimate
        ID: geometric mean over attributes of the normalised entropies, of neutral images together.
    robust : Estimate
        CA_0.1: the diversity that a tenth of the other contexts do not exceed.
    mean : Estimate
        CA_mean: the mean diversity of the other contexts.
    index : Estimate
        MGBI: the square root of the product of `intrinsic` and `robust`.
    """

    neutral: int
    others: int
    intrinsic: Estimate
    robust: Estimate
    mean: Estimate
    index: Estimate


def measure_diversity(
    labels: Labels, contexts: Sequence[str], neutral: Sequence[str], seed: int = 0
) -> ContextDiversity:
    """Return the diversity of neutral contexts and of the others.

    Parameters
    ----------
    labels : Labels
        Of n images. An attribute that is unknown in an image counts in no level of it.
    contexts : sequence of str
        Context of each image.
    neutral : sequence of str
        Names of the neutral contexts.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        When a neutral context has no image, or all contexts are neutral.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute, AttributeGrid
    >>> from equipoise.core.labels import certain_labels
    >>> grid = AttributeGrid((Attribute("gender", ("female", "male")),))
    >>> levels = np.array([[0], [1], [0], [1], [1], [1]], np.int8)
    >>> names = ["person", "person", "nurse", "nurse", "nurse", "nurse"]
    >>> found = measure_diversity(certain_labels(grid, levels), names, ["person"])
    >>> round(found.robust.value, 3), round(found.index.value, 3)
    (0.811, 0.901)
    """
    names, of_image = np.unique(np.asarray(contexts, dtype=object).astype(str), return_inverse=True)
    if strange := [name for name in neutral if name not in names]:
        raise InputError(
            "neutral",
            "must be a context that has an image",
            Listed(shown(name) for name in strange),
            "Name contexts as they are in the column context.",
        )
    is_neutral = np.isin(names, list(neutral))
    if is_neutral.all() or not is_neutral.any():
        got = "all of them" if is_neutral.any() else "none"
        rule = "must be some of the contexts, but not all"
        raise InputError("neutral", rule, got, "Name prompts that ask for no kind of person.")
    sizes = [len(attribute.levels) + 1 for attribute in labels.grid.attributes]
    # Levels of an image are resampled together; the last place of each attribute is unknown.
    places = np.ravel_multi_index(tuple((labels.levels % sizes).T), sizes)
    counts = np.zeros((len(names), int(np.prod(sizes))), np.int64)
    np.add.at(counts, (of_image, places), 1)
    kinds = np.nonzero(counts.any(axis=0))[0]
    counts, levels = counts[:, kinds], np.unravel_index(kinds, sizes)
    one_hot = [
        (at[:, None] == np.arange(size - 1)).astype(float)
        for at, size in zip(levels, sizes, strict=True)
    ]
    known = ~np.isnan(_diversity(counts, one_hot))
    counts, is_neutral = counts[known], is_neutral[known]
    value = _numbers(counts[None], one_hot, is_neutral)[0]
    n = counts.sum(axis=1)
    rng = generator_for(seed, Stream.DIVERSITY_BOOTSTRAP)
    step = _MOST_AT_ONCE // max(counts.size, 1) + 1
    drawn = np.concatenate(
        [
            _numbers(
                rng.multinomial(n, counts / n[:, None], (min(step, _RESAMPLES - first), len(n))),
                one_hot,
                is_neutral,
            )
            for first in range(0, _RESAMPLES, step)
        ]
    )
    found = [_hull(value[k], drawn[:, k]) for k in range(4)]
    return ContextDiversity(
        neutral=int(is_neutral.sum()),
        others=int((~is_neutral).sum()),
        intrinsic=found[0],
        robust=found[1],
        mean=found[2],
        index=found[3],
    )


def _diversity(
    counts: NDArray[np.int64], one_hot: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the geometric mean of normalised entropies, shape (...), of counts (..., kinds).

    It is NaN where no image of some attribute is known.
    """
    found = np.ones(counts.shape[:-1])
    for levels in one_hot:
        often = counts @ levels
        n = often.sum(axis=-1, keepdims=True)
        shares = np.divide(often, n, out=np.full(often.shape, np.nan), where=n > 0)
        found = found * entr(shares).sum(axis=-1) / np.log(levels.shape[1])
    return np.asarray(np.maximum(found, 0) ** (1 / len(one_hot)))


def _numbers(
    counts: NDArray[np.int64],
    one_hot: Sequence[NDArray[np.float64]],
    is_neutral: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return ID, CA_0.1, CA_mean and MGBI of each sample of counts, shape (B, contexts, kinds)."""
    found = np.full((len(counts), 4), np.nan)
    found[:, 0] = _diversity(counts[:, is_neutral].sum(axis=1), one_hot)
    if not is_neutral.all():
        others = _diversity(counts[:, ~is_neutral], one_hot)
        found[:, 1] = np.quantile(others, QUANTILE, axis=1)
        found[:, 2] = others.mean(axis=1)
    found[:, 3] = np.sqrt(found[:, 0] * found[:, 1])
    return found


def _hull(value: float, drawn: NDArray[np.float64]) -> Estimate:
    """Return a value in [0, 1] with the hull of its percentile and basic bootstrap intervals."""
    if np.isnan(value):
        return Estimate.missing("no known image of some attribute")
    error = (1 - CONFIDENCE) / 2
    below, above = np.nanquantile(drawn, [error, 1 - error])
    low, high = min(below, 2 * value - above), max(above, 2 * value - below)
    return Estimate(float(value), float(max(low, 0.0)), float(min(high, 1.0)))

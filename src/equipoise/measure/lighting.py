"""Whether the measured skin tone is the lighting: how far the background explains it.

Skin tone is read from pixels, which do not distinguish light skin from bright light, nor yellow
skin from warm light. There is no skin in the background: where it is bright with a face, the light
is. The more of the tone's variance it explains, the more a gap between tones may be one between
lightings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from equipoise.classifiers.skin_colour import pixel_axis
from equipoise.classifiers.skin_tone import lightness, yellowness
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.checks import Check, Evidence, Outcome
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.labels import Labels
from equipoise.core.numbers import estimate, percent
from equipoise.core.parallel import batches
from equipoise.generators.base import Generator, generate_all
from equipoise.stats.shares import Share, effective_number

_TONES = ("skin", "monk", "fitzpatrick")
"""Names of attributes of skin, or how they begin: skin_tone, monk_scale."""

_BORDER = 8
"""The background is what lies within this part of the image's side from its edge."""

_LARGE = 0.3
"""Partial correlation that is tolerated: 9 % of the variance; chosen by hand."""

_ALIKE = 0.99
"""Share of levels that follow from the pixels, at least; pictures may have been saved with loss."""

_STILL = 1.0
"""Deviation of the background, in units of L* or b*, below which it does not vary; by hand."""

_BATCH, _SHOWN, _LEAST = 256, 24, 30


class LitImages(Protocol):
    """n images with their levels of A attributes."""

    @property
    def grid(self) -> AttributeGrid: ...  # noqa: D102
    @property
    def levels(self) -> NDArray[np.int8]:
        """Shape (n, A), none unknown."""
        ...

    @property
    def weights(self) -> NDArray[np.float64]:
        """Shape (n,), above 0."""
        ...

    def __len__(self) -> int: ...
    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width), uint8 RGB."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """What lighting explains of the measured skin tone.

    Attributes
    ----------
    attribute : str
    correlation : Estimate
        Partial correlation of the measured number with the background, given the other balanced
        attributes, with Fisher's interval (1915) for as many effective images.
    explained : float
        Share of the number's variance that the background explains, given the same: the square of
        the correlation. Highlights are left out: they lie on the skin, and explain its tone where
        the light is the same for all. Older records have them in it.
    changed : Share or None
        Images whose level would be another if their number were that at the mean background; None
        where the level is not computed from one.
    picture : str
        File in `pictures/`: a contact sheet of those that change most; empty where none does.
    measured : str
        The number: "typology angle", "lightness", "hue angle", or "level" where another classifier
        gave the levels, which are then numbered.
    background : str
        What of the background: "lightness", or "yellowness" (b*) for the hue angle.
    """

    attribute: str
    correlation: Estimate
    explained: float
    changed: Share | None
    picture: str
    measured: str = "typology angle"
    background: str = "lightness"


@dataclass(frozen=True, eq=False)
class DrawnImages:
    """Images of n codes and their labels.

    Attributes
    ----------
    generator : Generator
    codes : numpy.ndarray, shape (n, dim), float32
    labels : Labels
    """

    generator: Generator
    codes: NDArray[np.float32]
    labels: Labels

    @property
    def grid(self) -> AttributeGrid:
        """The cells."""
        return self.labels.grid

    @property
    def levels(self) -> NDArray[np.int8]:
        """Shape (n, A)."""
        return self.labels.levels

    @property
    def weights(self) -> NDArray[np.float64]:
        """1 for each image."""
        return np.ones(len(self.codes))

    def __len__(self) -> int:
        return len(self.codes)

    def known(self) -> DrawnImages:
        """Return those of known levels."""
        rows = np.flatnonzero((self.labels.levels != UNKNOWN).all(axis=1))
        return DrawnImages(self.generator, self.codes[rows], self.labels.take(rows))

    def images(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, shape (len(rows), 3, height, width)."""
        return generate_all(self.generator, self.codes[list(rows)], self.generator.batch_size)


def lighting_of(
    images: LitImages, names: Sequence[str], write_sheet: Callable[[NDArray[np.uint8]], str]
) -> Lighting | None:
    """Return what lighting explains of the skin tone by which images are grouped.

    Parameters
    ----------
    images : LitImages
    names : sequence of str
        Attributes to group by. Of several of skin, the one is taken that lighting explains most.
    write_sheet : callable
        Writes a contact sheet of images, and returns its name.

    Returns
    -------
    Lighting or None
        None where no attribute is one of skin, ordered and of several levels in these images, or
        there are under 30 images.
    """
    tones = [name for name in names if is_tone(images.grid, name)]
    found = [_set_against_background(images, name, tones) for name in tones]
    known = [one for one in found if one is not None]
    if not known:
        return None
    lighting, doubt = max(known, key=lambda one: np.nan_to_num(one[0].explained, nan=-1.0))
    order = np.argsort(-doubt, kind="stable")[:_SHOWN]
    rows = [int(row) for row in order if doubt[row] > 0]
    return replace(lighting, picture=write_sheet(images.images(rows)) if rows else "")


def is_tone(grid: AttributeGrid, attribute: str) -> bool:
    """Return whether an attribute is one of skin, by its name, whose levels have an order."""
    one = grid.attributes[grid.attribute(attribute)]
    named = attribute in _TONES or attribute.startswith(tuple(f"{tone}_" for tone in _TONES))
    return named and (one.ordered or len(one.levels) == 2)


def _set_against_background(
    images: LitImages, tone: str, tones: Sequence[str]
) -> tuple[Lighting, NDArray[np.float64]] | None:
    """Return what lighting explains of one attribute, and by how much it changes each image.

    Shape (n,), in the unit of the number; 0 where the level stays.
    """
    levels = images.levels[:, images.grid.attribute(tone)].astype(np.int64)
    if len(images) < _LEAST or len(np.unique(levels)) < 2:
        return None
    axis = pixel_axis(tone)
    warm = axis is not None and axis.name == "hue angle"
    numbers, background = _measure(
        images, None if axis is None else axis.measure, yellowness if warm else lightness
    )
    if axis is not None:
        by_pixels = np.searchsorted(axis.cuts, numbers, side="right")
        axis = axis if (levels == by_pixels).mean() >= _ALIKE else None  # Another classifier's.
    numbers = levels.astype(np.float64) if axis is None else numbers
    # Given the attributes that are not of skin: another scale of the same skin would hide it.
    others = [k for k, name in enumerate(images.grid.names) if name not in tones]
    groups = np.unique(images.levels[:, others], axis=0, return_inverse=True)[1].ravel()
    weights = images.weights
    own, around = (_within(values, groups, weights) for values in (numbers, background))
    r = _correlation(own, around, weights)
    changed, doubt = None, np.zeros(len(images))
    if axis is not None:
        slope = r * np.sqrt(_mean(own**2, weights) / max(_mean(around**2, weights), 1e-12))
        changes = levels != np.searchsorted(axis.cuts, numbers - slope * around, side="right")
        changed = Share.among(tone, changes, np.ones(len(images), bool), weights)
        doubt = np.abs(slope * around) * changes
    varies = _mean(around**2, weights) > _STILL**2
    missing = Estimate.missing("the background does not vary")
    lighting = Lighting(
        attribute=tone,
        correlation=_fisher(r, weights, len(np.unique(groups))) if varies else missing,
        explained=r**2 if varies else float("nan"),
        changed=changed if varies else None,
        picture="",
        measured="level" if axis is None else axis.name,
        background="yellowness" if warm else "lightness",
    )
    return lighting, doubt * varies


def lighting_checks(found: Lighting | None) -> tuple[Check, ...]:
    """Return the check of lighting, where there is anything to check."""
    return () if found is None else (lighting_check(found),)


def lighting_check(found: Lighting) -> Check:
    """Return the check of lighting. It is a tip at most: the model is not at fault."""
    size = found.correlation
    outcome: Outcome = "not applicable"
    words = f"It cannot be seen: {size.note}."
    if np.isfinite(size.value):
        outcome, words = _outcome(found)
    return Check(
        check_id=f"lighting:{found.attribute}",
        title="Is the measured skin tone the lighting?",
        outcome=outcome,
        words=words,
        evidence=Evidence(estimate=size),
    )


def _outcome(found: Lighting) -> tuple[Outcome, str]:
    """Return the outcome where there is a correlation, and its words."""
    size = found.correlation
    low = max(size.low, -size.high, 0.0)
    outcome: Outcome = "tip"
    if max(abs(size.low), abs(size.high)) <= _LARGE:
        outcome, words = "passed", "Little of it"
    elif low > _LARGE:
        words = "Much of it: a gap between tones may be one between lightings"
    else:
        words = "Some of it may be"
    parts = [
        f"{words}. The {found.background} of the background has a correlation of {estimate(size)} "
        f"with the {found.measured}, given the other attributes: it explains "
        f"{percent(found.explained)} of its variance."
    ]
    if found.changed is not None:
        parts.append(
            f"{percent(found.changed.share)} of the images would have another level before the "
            "mean background."
        )
    return outcome, " ".join(parts)


def _measure(
    images: LitImages,
    measure: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None,
    appearance: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of each image, 0 without a measure, and how its background appears."""
    numbers: list[NDArray[np.float64]] = []
    backgrounds: list[NDArray[np.float64]] = []
    for low, high in batches(0, len(images), _BATCH):
        pixels = images.images(range(low, high))
        seen = appearance(pixels)
        height, width = seen.shape[1:]
        edge = np.ones((height, width), bool)
        top, left = -(-height // _BORDER), -(-width // _BORDER)
        edge[top : height - top, left : width - left] = False
        backgrounds.append(np.median(seen[:, edge], axis=1).astype(np.float64))
        given = np.zeros(len(pixels)) if measure is None else measure(pixels)
        numbers.append(np.asarray(given, np.float64))
    return np.concatenate(numbers), np.concatenate(backgrounds)


def _within(
    values: NDArray[np.float64], groups: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values less the weighted mean of their group."""
    means = np.bincount(groups, weights * values) / np.bincount(groups, weights)
    return np.asarray(values - means[groups])


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float(np.average(values, weights=weights))


def _correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """Return the correlation of values whose means are 0; 0 where one does not vary."""
    spread = _mean(one**2, weights) * _mean(other**2, weights)
    return _mean(one * other, weights) / float(np.sqrt(spread)) if spread > 1e-12 else 0.0


def _fisher(r: float, weights: NDArray[np.float64], groups: int) -> Estimate:
    """Return a partial correlation with its interval; each group costs a degree of freedom."""
    free = max(effective_number(weights) - groups - 2, 1.0)
    reach = norm.ppf((1 + CONFIDENCE) / 2) / np.sqrt(free)
    middle = np.arctanh(np.clip(r, -0.999999, 0.999999))
    return Estimate(r, float(np.tanh(middle - reach)), float(np.tanh(middle + reach)))

"""Whether the measured skin tone is the lighting: how far the background explains it.

Skin tone is read from pixels, which do not distinguish light skin from bright light, nor yellow
skin from warm light. There is no skin in the background: where it is bright with a face, the light
is. The more of the tone's variance it explains, the more a gap between tones may be one between
lightings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from equipoise.classifiers.skin_colour import pixel_axis
from equipoise.classifiers.skin_tone import lightness, yellowness
from equipoise.core.attributes import UNKNOWN, AttributeGrid
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.labels import Labels
from equipoise.core.numbers import estimate, percent
from equipoise.core.parallel import batches
from equipoise.generators.base import Generator, generate
from equipoise.stats.shares import Share, effective_number

_TONES = ("skin", "monk")
"""How the names of attributes of skin begin."""

_BORDER = 8
"""The background is what lies within this part of the image's side from its edge."""

_LARGE = 0.3
"""Partial correlation that is tolerated: 9 % of the variance; chosen by hand."""

_ALIKE = 0.99
"""Share of levels that follow from the pixels, at least; pictures may have been saved with loss."""

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
        Share of the number's variance that background and highlights explain together, given the
        same.
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
class _Measured:
    """Of n images: the number, and what background and highlights are like, shape (n,) each."""

    number: NDArray[np.float64]
    background: NDArray[np.float64]
    highlight: NDArray[np.float64]


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
        codes, size = self.codes[list(rows)], self.generator.batch_size
        parts = [generate(self.generator, codes[i:j]) for i, j in batches(0, len(codes), size)]
        return np.concatenate(parts)


def is_tone(attribute: str) -> bool:
    """Return whether an attribute is one of skin, by its name."""
    return attribute.startswith(_TONES)


def lighting_of(
    images: LitImages, names: Sequence[str], write_sheet: Callable[[NDArray[np.uint8]], str]
) -> Lighting | None:
    """Return what lighting explains of the skin tone by which images are grouped.

    Parameters
    ----------
    images : LitImages
    names : sequence of str
        Attributes to group by.
    write_sheet : callable
        Writes a contact sheet of images, and returns its name.

    Returns
    -------
    Lighting or None
        None where no attribute is one of skin with several levels, or there are under 30 images.
    """
    tones = [name for name in names if is_tone(name)]
    if not tones or len(images) < _LEAST:
        return None
    tone, *_ = tones
    place, axis = images.grid.attribute(tone), pixel_axis(tone)
    before = images.levels[:, place].astype(np.int64)
    warm = axis is not None and axis.name == "hue angle"
    found = _measure(
        images, None if axis is None else axis.measure, yellowness if warm else lightness
    )
    cuts: NDArray[np.float64] | None = None
    if axis is not None:
        cuts = np.array(axis.cuts)
        if (before == np.searchsorted(cuts, found.number, side="right")).mean() < _ALIKE:
            cuts = None  # Another classifier's levels.
    number = before.astype(np.float64) if cuts is None else found.number
    if len(np.unique(before)) < 2:
        return None
    others = np.delete(images.levels, place, axis=1)
    groups = np.unique(others, axis=0, return_inverse=True)[1].ravel()
    weights = images.weights
    own, background, highlight = (
        _within(values, groups, weights) for values in (number, found.background, found.highlight)
    )
    r = _correlation(own, background, weights)
    changed, picture = None, ""
    if cuts is not None:
        slope = r * np.sqrt(_mean(own**2, weights) / max(_mean(background**2, weights), 1e-12))
        changes = before != np.searchsorted(cuts, number - slope * background, side="right")
        changed = Share.among(tone, changes, np.ones(len(images), bool), weights)
        doubt = np.abs(slope * background) * changes
        order = np.argsort(-doubt, kind="stable")[:_SHOWN]
        rows = [int(row) for row in order if doubt[row] > 0]
        picture = write_sheet(images.images(rows)) if rows else ""
    return Lighting(
        attribute=tone,
        correlation=_fisher(r, weights, len(np.unique(groups))),
        explained=_explained(own, np.stack([background, highlight], axis=1), weights),
        changed=changed,
        picture=picture,
        measured="level" if cuts is None or axis is None else axis.name,
        background="yellowness" if warm else "lightness",
    )


def lighting_checks(found: Lighting | None) -> tuple[Check, ...]:
    """Return the check of lighting, where there is anything to check."""
    return () if found is None else (lighting_check(found),)


def lighting_check(found: Lighting) -> Check:
    """Return the check of lighting. It is a tip at most: the model is not at fault."""
    size = found.correlation
    low = max(size.low, -size.high, 0.0)
    if max(abs(size.low), abs(size.high)) <= _LARGE:
        outcome, words = "passed", "Little of it"
    elif low > _LARGE:
        outcome, words = "tip", "Much of it: a gap between tones may be one between lightings"
    else:
        outcome, words = "tip", "Some of it may be"
    parts = [
        f"{words}. The {found.background} of the background has a correlation of {estimate(size)} "
        f"with the {found.measured}, given the other attributes; with highlights it explains "
        f"{percent(found.explained)} of its variance."
    ]
    if found.changed is not None:
        parts.append(
            f"{percent(found.changed.share)} of the images would have another level before the "
            "mean background."
        )
    return Check(
        check_id=f"lighting:{found.attribute}",
        title="Is the measured skin tone the lighting?",
        outcome=outcome,  # type: ignore[arg-type]
        words=" ".join(parts),
        evidence=Evidence(estimate=size),
    )


def _measure(
    images: LitImages,
    measure: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None,
    appearance: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> _Measured:
    """Measure images batch by batch; the number is 0 without a measure."""
    parts: list[NDArray[np.float64]] = []
    for low, high in batches(0, len(images), _BATCH):
        pixels = images.images(range(low, high))
        seen = appearance(pixels)
        height, width = seen.shape[1:]
        edge = np.ones((height, width), bool)
        top, left = -(-height // _BORDER), -(-width // _BORDER)
        edge[top : height - top, left : width - left] = False
        rows, columns = (slice(side // 4, side - side // 4) for side in (height, width))
        middle = seen[:, rows, columns]
        bright = np.quantile(middle.reshape(len(middle), -1), 0.95, axis=1)
        number = np.zeros(len(pixels)) if measure is None else measure(pixels)
        parts.append(np.stack([number, np.median(seen[:, edge], axis=1), bright], axis=1))
    return _Measured(*np.concatenate(parts).astype(np.float64).T)


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


def _explained(
    values: NDArray[np.float64], causes: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """Return the share of variance that a weighted regression explains."""
    root = np.sqrt(weights)
    slopes = np.linalg.lstsq(causes * root[:, None], values * root, rcond=None)[0]
    left = _mean((values - causes @ slopes) ** 2, weights)
    return float(1 - left / max(_mean(values**2, weights), 1e-12))

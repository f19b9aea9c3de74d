"""Whether the measured skin tone is the lighting: how far the background explains it.

Skin tone is computed from pixels, which do not distinguish light skin from bright light. There is
no skin in the background: where it is bright with a face, the light is. The more of the tone's
variance it explains, the more a gap between tones may be one between lightings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from equipoise.audit.images import AuditImages
from equipoise.classifiers.skin_tone import lightness, thresholds_of, typology_angle
from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import CONFIDENCE, Estimate
from equipoise.core.numbers import estimate, percent
from equipoise.core.parallel import batches
from equipoise.report.contact_sheets import COLUMNS, write_sheet
from equipoise.stats.shares import Share, effective_number

_BORDER = 8
"""The background is what lies within this part of the image's side from its edge."""

_LARGE = 0.3
"""Partial correlation that is tolerated: 9 % of the variance; chosen by hand."""

_ALIKE = 0.99
"""Share of levels that follow from the angle, at least; pictures may have been saved with loss."""

_BATCH, _SHOWN, _LEAST = 256, 2 * COLUMNS, 30


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """What lighting explains of the measured skin tone.

    Attributes
    ----------
    attribute : str
        "skin_tone" or "skin_tone_six".
    correlation : Estimate
        Partial correlation of the typology angle with the lightness of the background, given the
        other balanced attributes, with Fisher's interval (1915) for as many effective images.
    explained : float
        Share of the angle's variance that background and highlights explain together, given the
        same.
    changed : Share
        Images whose level would be another if their angle were that at the mean background.
    picture : str
        File in `pictures/`: a contact sheet of those that change most; empty where none does.
    """

    attribute: str
    correlation: Estimate
    explained: float
    changed: Share
    picture: str


@dataclass(frozen=True, eq=False)
class _Measured:
    """Of n images: the angle, and the lightness of background and highlights, shape (n,) each."""

    angle: NDArray[np.float64]
    background: NDArray[np.float64]
    highlight: NDArray[np.float64]


def examine_lighting(images: AuditImages, names: tuple[str, ...], folder: Path) -> Lighting | None:
    """Return what lighting explains of the skin tone by which images are grouped.

    Parameters
    ----------
    images : AuditImages
    names : tuple of str
        Attributes to group by.
    folder : Path
        Of the audit; a sheet is written to `pictures/` in it.

    Returns
    -------
    Lighting or None
        None where no attribute is a skin tone by the typology angle, or there are under 30 images.
        Another classifier's levels are not those of the angle.
    """
    tones = [name for name in names if thresholds_of(name) is not None]
    if not tones or len(images) < _LEAST:
        return None
    (tone, *_), found = tones, _measure(images)
    place, cuts = images.grid.attribute(tone), thresholds_of(tone)
    assert cuts is not None
    before = np.searchsorted(cuts, found.angle, side="right")
    if (before == images.levels[:, place]).mean() < _ALIKE:
        return None
    others = np.delete(images.levels, place, axis=1)
    groups = np.unique(others, axis=0, return_inverse=True)[1].ravel()
    weights = images.weights
    angle, background, highlight = (
        _within(values, groups, weights)
        for values in (found.angle, found.background, found.highlight)
    )
    r = _correlation(angle, background, weights)
    slope = r * np.sqrt(_mean(angle**2, weights) / max(_mean(background**2, weights), 1e-12))
    corrected = found.angle - slope * background
    changes = before != np.searchsorted(cuts, corrected, side="right")
    every = np.ones(len(images), bool)
    return Lighting(
        attribute=tone,
        correlation=_fisher(r, weights, len(np.unique(groups))),
        explained=_explained(angle, np.stack([background, highlight], axis=1), weights),
        changed=Share.among(tone, changes, every, weights),
        picture=_sheet(images, np.abs(slope * background) * changes, folder),
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
    return Check(
        check_id=f"lighting:{found.attribute}",
        title="Is the measured skin tone the lighting?",
        outcome=outcome,  # type: ignore[arg-type]
        words=f"{words}. The lightness of the background has a correlation of {estimate(size)} "
        f"with the angle, given the other attributes; with highlights it explains "
        f"{percent(found.explained)} of its variance. {percent(found.changed.share)} of the images "
        "would have another level before the mean background.",
        evidence=Evidence(estimate=size),
    )


def _measure(images: AuditImages) -> _Measured:
    parts: list[NDArray[np.float64]] = []
    for low, high in batches(0, len(images), _BATCH):
        pixels = images.images(range(low, high))
        light = lightness(pixels)
        height, width = light.shape[1:]
        edge = np.ones((height, width), bool)
        top, left = -(-height // _BORDER), -(-width // _BORDER)
        edge[top : height - top, left : width - left] = False
        rows, columns = (slice(side // 4, side - side // 4) for side in (height, width))
        middle = light[:, rows, columns]
        bright = np.quantile(middle.reshape(len(middle), -1), 0.95, axis=1)
        parts.append(
            np.stack([typology_angle(pixels), np.median(light[:, edge], axis=1), bright], axis=1)
        )
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


def _sheet(images: AuditImages, doubt: NDArray[np.float64], folder: Path) -> str:
    """Write a sheet of the most doubtful images, and return its name."""
    rows = [int(row) for row in np.argsort(-doubt, kind="stable")[:_SHOWN] if doubt[row] > 0]
    if not rows:
        return ""
    name = "lighting.png"
    write_sheet(folder / "pictures" / name, images.images(rows), synthetic=not images.side)
    return name

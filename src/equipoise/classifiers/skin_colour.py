"""Skin colour on two axes: perceptual lightness and hue, computed from pixels without a network.

Thong, Joniak and Xiang, ICCV 2023 ("Beyond Skin Tone: A Multidimensional Measure of Apparent Skin
Color"): lightness L*, dark up to 60 and light above; hue angle atan2(b*, a*), red up to 55 degrees
and yellow above. Two skins of one lightness can differ in hue, which the typology angle mixes in.
Here both are medians over the same central part of the image as the typology angle's, not over a
mask of skin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction, by_threshold
from equipoise.classifiers.skin_tone import (
    SIX,
    THREE,
    central_part,
    compressed,
    typology_angle,
)
from equipoise.core.attributes import Attribute

LIGHTNESS = {"dark": -np.inf, "light": 60.0}
"""Levels with the lightness L* at which each begins."""

HUE = {"red": -np.inf, "yellow": 55.0}
"""Levels with the hue angle at which each begins, in degrees."""


def skin_lightness(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the median L* of each image's central part, shape (n,), float32 in [0, 100].

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        sRGB in [0, 255], with a centred face.

    Examples
    --------
    >>> white = np.full((1, 3, 8, 8), 255, np.uint8)
    >>> round(float(skin_lightness(white)[0]), 2)
    100.0
    """
    return _median(116 * compressed(central_part(images))[:, 1] - 16)


def skin_hue(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the median hue angle of each image's central part, shape (n,), float32.

    In degrees, in [-180, 180]; 0 is towards red, 90 towards yellow.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        sRGB in [0, 255], with a centred face.

    Examples
    --------
    >>> red = np.zeros((1, 3, 8, 8), np.uint8)
    >>> red[:, 0] = 255
    >>> round(float(skin_hue(red)[0]), 1)
    40.0
    """
    f = compressed(central_part(images))
    return _median(np.degrees(np.arctan2(200 * (f[:, 1] - f[:, 2]), 500 * (f[:, 0] - f[:, 1]))))


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.median(values.reshape(len(values), -1), axis=1).astype(np.float32))


@dataclass(frozen=True)
class PixelAxis:
    """How levels of skin are computed from pixels.

    Attributes
    ----------
    name : str
        Of the number in words.
    measure : callable
        From images, shape (n, 3, height, width), uint8, to the number of each, shape (n,).
    levels : dict of str to float
        Levels with the number at which each begins, the first at minus infinity.
    """

    name: str
    measure: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    levels: dict[str, float]

    @property
    def cuts(self) -> list[float]:
        """Where levels begin, but the first."""
        return list(self.levels.values())[1:]


_COLOURS = {
    "skin_lightness": PixelAxis("lightness", skin_lightness, LIGHTNESS),
    "skin_hue": PixelAxis("hue angle", skin_hue, HUE),
}
_TONES = {
    "skin_tone": PixelAxis("typology angle", typology_angle, THREE),
    "skin_tone_six": PixelAxis("typology angle", typology_angle, SIX),
}


def pixel_axis(attribute: str) -> PixelAxis | None:
    """Return how a pinned attribute of skin is computed; None for all others."""
    return (_COLOURS | _TONES).get(attribute)


class SkinColour:
    """Predicts skin colour of faces on two axes: "skin_lightness" and "skin_hue".

    Parameters
    ----------
    attributes : sequence of str
        Which of the two to predict.
    """

    name = "skin-colour"
    pinned = ()

    def __init__(self, attributes: Sequence[str] = ("skin_lightness", "skin_hue")) -> None:
        self._axes = [_COLOURS[name] for name in attributes]
        self.attributes = tuple(
            Attribute(name, tuple(axis.levels), ordered=True)
            for name, axis in zip(attributes, self._axes, strict=True)
        )
        tables = [axis.levels for axis in self._axes]
        self.digest = hashlib.sha256(
            repr(("L* and hue, middle quarter", tuple(attributes), tables)).encode()
        ).hexdigest()
        self.caveats = (
            "Skin colour is measured from pixels (lightness and hue angle), so it is confounded "
            "with lighting: dim light makes a face dark, and warm light makes it yellow.",
        )

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; the score is L*, or the hue angle in degrees."""
        return tuple(by_threshold(axis.measure(images), axis.cuts) for axis in self._axes)

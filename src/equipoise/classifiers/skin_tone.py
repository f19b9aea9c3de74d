"""Skin tone by the individual typology angle (ITA), computed from pixels without a network.

ITA = atan2(L* - 50, b*) in degrees (Chardon, Cretois and Hourseau, Int. J. Cosmet. Sci. 13, 1991).
Here it is the median over the central quarter of each side of the image, in CIE L*a*b* for the sRGB
primaries and the D65 white. The six levels are those of Del Bino and Bernerd, Br. J. Dermatol. 169
(2013): very light > 55 > light > 41 > intermediate > 28 > tan > 10 > brown > -30 > dark. The three
levels are dark < 10 <= medium < 41 <= light.

Lightness is confounded with lighting: a badly lit light face is measured as dark. The angle
describes the image, not the skin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction, by_threshold
from equipoise.core.attributes import Attribute

THREE = {"dark": -np.inf, "medium": 10.0, "light": 41.0}
"""Three levels with the lowest angle of each, in degrees."""

SIX = {
    "dark": -np.inf,
    "brown": -30.0,
    "tan": 10.0,
    "intermediate": 28.0,
    "light": 41.0,
    "very_light": 55.0,
}
"""Six levels with the lowest angle of each, in degrees."""

# IEC 61966-2-1 (sRGB): linear RGB to CIE XYZ, and the D65 white.
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    dtype=np.float32,
)
_WHITE = np.array([0.95047, 1.0, 1.08883], dtype=np.float32)
_CHANNEL = np.arange(256, dtype=np.float64) / 255
_LINEAR = np.where(
    _CHANNEL <= 0.04045, _CHANNEL / 12.92, ((_CHANNEL + 0.055) / 1.055) ** 2.4
).astype(np.float32)
# CIE 15:2004, the constants of L*a*b* as exact fractions.
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27


def typology_angle(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the median ITA of each image's central part.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        sRGB in [0, 255], with a centred face.

    Returns
    -------
    numpy.ndarray, shape (n,), float32
        Degrees in [-180, 180]; higher is lighter.

    Examples
    --------
    >>> white = np.full((1, 3, 8, 8), 255, np.uint8)
    >>> bool(typology_angle(white)[0] > 80)
    True
    """
    f = compressed(central_part(images))
    yellow = 200 * (f[:, 1] - f[:, 2])
    angles = np.degrees(np.arctan2(116 * f[:, 1] - 16 - 50, yellow))
    return np.asarray(np.median(angles.reshape(len(images), -1), axis=1).astype(np.float32))


def central_part(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the central quarter of each side of images, shape (n, 3, height, width)."""
    height, width = images.shape[2:]
    rows = slice(3 * height // 8, max(5 * height // 8, 3 * height // 8 + 1))
    columns = slice(3 * width // 8, max(5 * width // 8, 3 * width // 8 + 1))
    return images[:, :, rows, columns]


def lightness(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return L* of each pixel, shape (n, height, width), float32 in [0, 100].

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        sRGB in [0, 255].
    """
    return np.asarray(116 * compressed(images)[:, 1] - 16)


def yellowness(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return b* of each pixel, shape (n, height, width), float32; blue below 0, yellow above.

    Parameters
    ----------
    images : numpy.ndarray, shape (n, 3, height, width), uint8
        sRGB in [0, 255].
    """
    f = compressed(images)
    return np.asarray(200 * (f[:, 1] - f[:, 2]))


def compressed(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return f(X / Xn), f(Y / Yn) and f(Z / Zn) of CIE L*a*b*, shape (n, 3, height, width)."""
    xyz = np.einsum("ij,njhw->nihw", _XYZ / _WHITE[:, None], _LINEAR[pixels])
    return np.asarray(np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116))


class SkinTone:
    """Predicts skin tone of faces by ITA, in three levels ("skin_tone") or six ("skin_tone_six").

    Parameters
    ----------
    attributes : sequence of str
        Which of the two to predict; both use one computation.
    """

    name = "typology-angle"
    pinned = ()

    def __init__(self, attributes: Sequence[str] = ("skin_tone", "skin_tone_six")) -> None:
        tables = {"skin_tone": THREE, "skin_tone_six": SIX}
        self._tables = [tables[name] for name in attributes]
        self.attributes = tuple(
            Attribute(name, tuple(tables[name]), ordered=True) for name in attributes
        )
        self.digest = hashlib.sha256(
            repr(("ITA middle quarter", self._tables)).encode()
        ).hexdigest()
        self.caveats = (
            "Skin tone is measured from pixels (individual typology angle), so lightness is "
            "confounded with lighting: a badly lit light face counts as dark.",
        )

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; the score is the angle in degrees."""
        angles = typology_angle(images)
        return tuple(by_threshold(angles, list(table.values())[1:]) for table in self._tables)

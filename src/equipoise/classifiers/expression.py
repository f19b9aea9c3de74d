"""Expression by the pinned quantised TFLite model of the package fer.

The input is a grey image of 64x64 pixels scaled to [-1, 1]; the output is one probability for each
of seven expressions. A face counts as smiling when P(happy) > 0.5.
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
    """Predicts smiling (no, yes) and expression (seven levels) of faces in one forward pass.

    Parameters
    ----------
    attributes : sequence of str
        Which of "smiling" and "expression" to predict.
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
            "Smiling means that the classifier's P(happy) exceeds 0.5 on a grey 64x64 image.",
        )
        self._network = TfliteNetwork(zoo.fetch("expression").read_bytes(), "expression")

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; the score of smiling is P(happy)."""
        probabilities = self._network.run(prepare(images, _INPUT))[0]
        happy = probabilities[:, EXPRESSIONS.index("happy")]
        predictions = {
            "smiling": by_probability(np.stack([1 - happy, happy], axis=1)),
            "expression": by_probability(probabilities),
        }
        return tuple(predictions[a.name] for a in self.attributes)

"""Expression from the pinned quantised TFLite model of the package fer.

Input is the grey picture of 64x64 pixels scaled to [-1, 1]; the answer is one probability for each
of seven expressions. A face smiles when P(happy) > 0.5.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise import zoo
from equipoise.classifiers.base import Reading, by_probability
from equipoise.classifiers.resize import resize
from equipoise.groups import Attribute

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SMILING = Attribute("smiling", ("no", "yes"))
EXPRESSION = Attribute("expression", EXPRESSIONS)

# ITU-R BT.601 weights of red, green and blue in luma.
_LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


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
        self._path = str(zoo.fetch("expression"))
        self._local = threading.local()

    def _interpreter(self, batch: int) -> Any:
        """Return this thread's interpreter, sized for `batch` images."""
        from ai_edge_litert.interpreter import Interpreter

        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = Interpreter(self._path, num_threads=1)
            self._local.batch = 0
        interpreter = self._local.interpreter
        if self._local.batch != batch:
            place = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(place, (batch, 64, 64, 1))
            interpreter.allocate_tensors()
            self._local.batch = batch
        return interpreter

    def _answers(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = (resize(images, 64) * _LUMA).sum(dim=1) / 127.5 - 1
        interpreter = self._interpreter(len(images))
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], grey.numpy()[..., None])
        interpreter.invoke()
        answers: NDArray[np.float32] = interpreter.get_tensor(
            interpreter.get_output_details()[0]["index"]
        )
        return answers

    def read(self, images: NDArray[np.uint8]) -> tuple[Reading, ...]:
        """Return the answers; the score of smiling is P(happy)."""
        answers = self._answers(images)
        happy = answers[:, EXPRESSIONS.index("happy")]
        readings = {
            "smiling": by_probability(np.stack([1 - happy, happy], axis=1)),
            "expression": by_probability(answers),
        }
        return tuple(readings[a.name] for a in self.attributes)

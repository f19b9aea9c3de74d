"""A classifier of the toy generator's faces that is exact, or errs with given probabilities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.classifiers.base import Prediction
from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError
from equipoise.generators.toy import PATCH, ToyFaces


class ToyClassifier:
    """Predicts the attributes of the toy's faces from the grey patches at their bottom edge.

    Parameters
    ----------
    generator : ToyFaces
        Defines attributes and thresholds.
    attributes : sequence of str, optional
        Which to predict; all by default.
    confusion : mapping of str to array_like, shape (L, L), optional
        For each attribute P(predicted level | true level): rows are true levels and sum to 1.
        Predictions of other attributes are exact.
    abstain : float
        Probability of "unknown", in [0, 1].
    seed : int
        Of the errors, in [0, 2**63). An error depends on the image and the seed alone, so the same
        image always has the same prediction.

    Raises
    ------
    InputError
        When a probability breaks its rule, or an attribute is unknown.
    """

    name = "toy"
    pinned = ()

    def __init__(
        self,
        generator: ToyFaces,
        attributes: Sequence[str] | None = None,
        *,
        confusion: Mapping[str, ArrayLike] | None = None,
        abstain: float = 0.0,
        seed: int = 0,
    ) -> None:
        grid = generator.grid
        self._columns = [grid.attribute(name) for name in attributes or grid.names]
        self.attributes = tuple(grid.attributes[a] for a in self._columns)
        self._thresholds = [generator.thresholds[a] for a in self._columns]
        if not 0 <= abstain <= 1:
            raise InputError("abstain", "must be in [0, 1]", abstain, "Pass 0.05, for example.")
        self._abstain = abstain
        self._seed = seed
        self._confusion = {
            name: _check_confusion(name, table, len(grid.attributes[grid.attribute(name)].levels))
            for name, table in (confusion or {}).items()
        }
        tables = {name: table.tolist() for name, table in self._confusion.items()}
        settings = [generator.digest, self._columns, tables, abstain, seed]
        self.digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
        self.caveats = () if not tables and not abstain else ("This classifier errs on purpose.",)

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return the predictions; the score is the value of the patch divided by 255."""
        height, width = PATCH
        # The centre of the patch, where a re-encoded image has changed least.
        row = -height // 2
        uniforms = self._uniforms(images)
        predictions = []
        for i, (attribute, cuts) in enumerate(zip(self.attributes, self._thresholds, strict=True)):
            column = self._columns[i] * width + width // 2
            values = images[:, :, row, column].mean(axis=1)
            levels = np.searchsorted(cuts, values, side="right").astype(np.int8)
            scores = values / 255
            probabilities = np.eye(len(attribute.levels), dtype=np.float32)[levels]
            if attribute.name in self._confusion:
                rows = self._confusion[attribute.name][levels]
                probabilities = rows.astype(np.float32)
                drawn = (uniforms[:, 2 * i, None] > rows.cumsum(axis=1)[:, :-1]).sum(axis=1)
                edges = np.concatenate([[0], cuts, [255]]) / 255
                low, high = edges[drawn], edges[drawn + 1]
                wrong = drawn != levels
                scores = np.where(wrong, low + uniforms[:, 2 * i + 1] * (high - low), scores)
                levels = drawn.astype(np.int8)
            levels = np.where(uniforms[:, -1] < self._abstain, np.int8(UNKNOWN), levels)
            predictions.append(Prediction(levels, probabilities, scores.astype(np.float32)))
        return tuple(predictions)

    def _uniforms(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return uniform numbers in [0, 1) that depend on (image, seed) alone."""
        count = 2 * len(self.attributes) + 1
        if not self._confusion and not self._abstain:
            return np.ones((len(images), count))
        key = self._seed.to_bytes(8, "little")
        digests = b"".join(
            hashlib.blake2b(image.tobytes(), digest_size=4 * count, key=key).digest()
            for image in images
        )
        return np.frombuffer(digests, dtype="<u4").reshape(len(images), count) / 2**32


def _check_confusion(name: str, table: ArrayLike, levels: int) -> NDArray[np.float64]:
    matrix = np.asarray(table, dtype=np.float64)
    if (
        matrix.shape != (levels, levels)
        or (matrix < 0).any()
        or not np.allclose(matrix.sum(axis=1), 1)
    ):
        raise InputError(
            f"confusion of attribute {name!r}",
            f"must be {levels} x {levels}, at least 0, with rows that sum to 1",
            matrix.tolist(),
            "Correct it: rows are true levels, columns predicted levels.",
        )
    return matrix

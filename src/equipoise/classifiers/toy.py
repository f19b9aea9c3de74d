"""A classifier that reads the toy generator's faces exactly, or with a chosen error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.classifiers.base import Prediction
from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import InputError
from equipoise.generators.toy import PATCH, ToyGenerator


class ToyClassifier:
    """Reads the grey patches at the bottom of the toy's faces.

    Parameters
    ----------
    generator : ToyGenerator
        Tells attributes and thresholds.
    attributes : sequence of str, optional
        Which to answer on; all by default.
    confusion : mapping of str to array_like, shape (L, L), optional
        Per attribute: rows true levels, columns answered levels, rows summing to 1. Exact for
        an attribute that is not named.
    abstain : float
        Probability of "unknown", in [0, 1].
    seed : int
        Of the errors. An error depends on the image and the seed alone, so the same image
        always gets the same answer.
    """

    name = "toy"
    pinned = ()

    def __init__(
        self,
        generator: ToyGenerator,
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
        """Return the answers; the score is the pictured value divided by 255."""
        height, width = PATCH
        # The patch's middle, so that a mildly re-encoded picture still reads right.
        row = -height // 2
        chance = self._chance(images)
        readings = []
        for i, (attribute, cuts) in enumerate(zip(self.attributes, self._thresholds, strict=True)):
            column = self._columns[i] * width + width // 2
            values = images[:, :, row, column].mean(axis=1)
            levels = np.searchsorted(cuts, values, side="right").astype(np.int8)
            scores = values / 255
            probabilities = np.eye(len(attribute.levels), dtype=np.float32)[levels]
            if attribute.name in self._confusion:
                rows = self._confusion[attribute.name][levels]
                probabilities = rows.astype(np.float32)
                answered = (chance[:, 2 * i, None] > rows.cumsum(axis=1)[:, :-1]).sum(axis=1)
                edges = np.concatenate([[0], cuts, [255]]) / 255
                low, high = edges[answered], edges[answered + 1]
                wrong = answered != levels
                scores = np.where(wrong, low + chance[:, 2 * i + 1] * (high - low), scores)
                levels = answered.astype(np.int8)
            levels = np.where(chance[:, -1] < self._abstain, np.int8(UNKNOWN), levels)
            readings.append(Prediction(levels, probabilities, scores.astype(np.float32)))
        return tuple(readings)

    def _chance(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
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
            "Correct it: rows are true levels, columns answered levels.",
        )
    return matrix

"""Several classifiers as one: the attributes that a user asked for, in that order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import FAILED, Classifier, Prediction
from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid
from equipoise.core.errors import InputError, ModelOutputError
from equipoise.core.labels import Labels


class ClassifierPanel:
    """Reads the wanted attributes from images and checks every answer.

    An image on which a classifier could not be asked is unknown, as one on which it abstains.

    Parameters
    ----------
    classifiers : sequence of Classifier
        Between them they answer on every wanted attribute.
    attributes : sequence of str
        The wanted attributes, in order.
    abstain_below : float
        An answer whose highest probability is under this counts as unknown; in [0, 1].

    Raises
    ------
    InputError
        When no classifier, or more than one, answers on an attribute, or `abstain_below` lies
        outside [0, 1].
    """

    def __init__(
        self,
        classifiers: Sequence[Classifier],
        attributes: Sequence[str],
        *,
        abstain_below: float = 0.0,
    ) -> None:
        if not 0 <= abstain_below <= 1:
            raise InputError("abstain_below", "must be in [0, 1]", abstain_below, "Pass 0.")
        self.classifiers = tuple(classifiers)
        self.abstain_below = abstain_below
        places = {
            attribute.name: (c, i, attribute)
            for c, classifier in enumerate(self.classifiers)
            for i, attribute in enumerate(classifier.attributes)
        }
        if len(places) < sum(len(c.attributes) for c in self.classifiers):
            raise InputError(
                "classifiers", "must answer on different attributes", list(places), "Drop one."
            )
        for name in attributes:
            if name not in places:
                raise InputError(
                    "attribute",
                    f"must be one of {', '.join(places)}",
                    name,
                    "Correct the name.",
                )
        self._places = [places[name][:2] for name in attributes]
        self.grid = AttributeGrid(tuple(places[name][2] for name in attributes))
        described = [*(c.digest for c in self.classifiers), list(attributes), abstain_below]
        self.digest = hashlib.sha256(repr(described).encode()).hexdigest()
        self.caveats = tuple(text for c in self.classifiers for text in c.caveats)

    def predict(self, images: NDArray[np.uint8]) -> Labels:
        """Return the labels of one batch of images.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB in [0, 255].

        Raises
        ------
        InputError
            When the images have another shape or dtype.
        ModelOutputError
            When a classifier answers with NaN, or with a wrong shape, level or range.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(
                "images",
                "must be uint8 of shape (n, 3, height, width)",
                f"{images.dtype} of shape {images.shape}",
                "Convert them to RGB bytes, channels first.",
            )
        answers = [classifier.predict(images) for classifier in self.classifiers]
        readings = [answers[c][i] for c, i in self._places]
        levels = np.empty((len(images), len(readings)), np.int8)
        for a, (reading, (c, _)) in enumerate(zip(readings, self._places, strict=True)):
            name, attribute = self.classifiers[c].name, self.grid.attributes[a]
            check_reading(name, attribute, reading, len(images))
            unsure = reading.probabilities.max(axis=1) < self.abstain_below
            unsure |= reading.levels == FAILED
            levels[:, a] = np.where(unsure, np.int8(UNKNOWN), reading.levels)
        return Labels(
            self.grid,
            levels,
            tuple(reading.probabilities for reading in readings),
            np.stack([reading.scores for reading in readings], axis=1),
        )


def check_reading(classifier: str, attribute: Attribute, reading: Prediction, count: int) -> None:
    """Check a classifier's answers on one attribute.

    Parameters
    ----------
    classifier : str
        Its name, for errors.
    attribute : Attribute
    reading : Prediction
    count : int
        Images that were asked about.

    Raises
    ------
    ModelOutputError
        When the answers have NaN, or a wrong shape, level or range.
    """
    what = f"answer of classifier {classifier!r} on {attribute.name!r}"
    expected = (count, len(attribute.levels))
    shapes = (reading.probabilities.shape, reading.levels.shape, reading.scores.shape)
    if shapes != (expected, (count,), (count,)) or reading.levels.dtype.kind not in "iu":
        raise ModelOutputError(
            what,
            f"must have probabilities of shape {expected}, whole levels and scores of shape "
            f"{(count,)}",
            f"{shapes}, levels of {reading.levels.dtype}",
            "Give one row for each image and one column for each level.",
        )
    bad = ~np.isfinite(reading.probabilities).all(axis=1) | np.isinf(reading.scores)
    if attribute.ordered or len(attribute.levels) == 2:
        bad |= np.isnan(reading.scores) & (reading.levels != UNKNOWN)
    asked = reading.levels != FAILED
    bad &= asked
    if bad.any():
        raise ModelOutputError(
            what,
            "must be finite",
            f"NaN or infinity for {int(bad.sum())} of {count} images, "
            f"first at row {int(np.flatnonzero(bad)[0])} of the batch",
            "Check the model and its preprocessing; abstain with level -1 instead.",
        )
    given = reading.probabilities[asked]
    low, high = given.min(initial=0), given.max(initial=0)
    if low < -1e-4 or high > 1 + 1e-4:
        raise ModelOutputError(
            what, "must be in [0, 1]", f"{low:g} to {high:g}", "Apply softmax or sigmoid."
        )
    if ((reading.levels < FAILED) | (reading.levels >= len(attribute.levels))).any():
        raise ModelOutputError(
            what,
            f"must have levels in {UNKNOWN}..{len(attribute.levels) - 1}",
            f"{reading.levels.min()} to {reading.levels.max()}",
            "Number the levels from 0; -1 is unknown.",
        )

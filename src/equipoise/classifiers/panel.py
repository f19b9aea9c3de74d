"""Several classifiers as one, for given attributes in a given order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.base import NO_FACE, Classifier, Prediction
from equipoise.core.attributes import UNKNOWN, Attribute, AttributeGrid
from equipoise.core.errors import InputError, ModelOutputError
from equipoise.core.labels import Labels


class ClassifierPanel:
    """Labels images with given attributes, and checks every prediction.

    An image on which a classifier failed is unknown, like one on which it abstains.

    Parameters
    ----------
    classifiers : sequence of Classifier
        Together they predict every given attribute.
    attributes : sequence of str
        The attributes, in order.
    abstain_below : float
        In [0, 1]: a prediction whose highest probability is lower counts as unknown.

    Attributes
    ----------
    grid : AttributeGrid
        The attributes and their cells.
    digest : str
        SHA-256 of all that determines the labels.
    caveats : tuple of str
        Those of all classifiers.

    Raises
    ------
    InputError
        When no classifier, or more than one, predicts an attribute, or `abstain_below` lies outside
        [0, 1].
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
                "classifiers", "must predict different attributes", list(places), "Remove one."
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
            When a prediction holds NaN, or has a wrong shape, level or range.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise InputError(
                "images",
                "must be uint8 of shape (n, 3, height, width)",
                f"{images.dtype} of shape {images.shape}",
                "Convert them to RGB bytes, channels first.",
            )
        every = [classifier.predict(images) for classifier in self.classifiers]
        predictions = [every[c][i] for c, i in self._places]
        levels = np.empty((len(images), len(predictions)), np.int8)
        for a, (prediction, (c, _)) in enumerate(zip(predictions, self._places, strict=True)):
            name, attribute = self.classifiers[c].name, self.grid.attributes[a]
            check_prediction(name, attribute, prediction, len(images))
            unsure = prediction.probabilities.max(axis=1) < self.abstain_below
            unsure |= prediction.levels < UNKNOWN
            levels[:, a] = np.where(unsure, np.int8(UNKNOWN), prediction.levels)
        return Labels(
            self.grid,
            levels,
            tuple(prediction.probabilities for prediction in predictions),
            np.stack([prediction.scores for prediction in predictions], axis=1),
        )


_ROUNDING = 1e-4
"""How far probabilities may lie outside [0, 1]: float32 rounding stays well below it."""


def check_prediction(
    classifier: str, attribute: Attribute, prediction: Prediction, count: int
) -> None:
    """Check a classifier's prediction of one attribute.

    Parameters
    ----------
    classifier : str
        Its name, for errors.
    attribute : Attribute
    prediction : Prediction
    count : int
        Number of images.

    Raises
    ------
    ModelOutputError
        When it holds NaN, or has a wrong shape, level or range.
    """
    what = f"prediction of classifier {classifier!r} on {attribute.name!r}"
    levels, probabilities, scores = prediction.levels, prediction.probabilities, prediction.scores
    expected = (count, len(attribute.levels))
    shapes = (probabilities.shape, levels.shape, scores.shape)
    if shapes != (expected, (count,), (count,)) or levels.dtype.kind not in "iu":
        raise ModelOutputError(
            what,
            f"must have probabilities of shape {expected}, whole levels and scores of shape "
            f"{(count,)}",
            f"{shapes}, levels of {levels.dtype}",
            "Return one row for each image and one column for each level.",
        )
    seconds = prediction.seconds
    if seconds is not None and seconds.shape != (count,):
        raise ModelOutputError(
            what,
            f"must have seconds of shape {(count,)}, or none",
            seconds.shape,
            "Return the time of each response, NaN for none.",
        )
    bad = ~np.isfinite(probabilities).all(axis=1) | np.isinf(scores)
    if attribute.ordered or len(attribute.levels) == 2:
        bad |= np.isnan(scores) & (levels >= 0)
    bad &= levels >= UNKNOWN
    if bad.any():
        raise ModelOutputError(
            what,
            "must be finite",
            f"NaN or infinity for {int(bad.sum())} of {count} images, "
            f"first at row {int(np.flatnonzero(bad)[0])} of the batch",
            "Check the model and its preprocessing; abstain with level -1 instead.",
        )
    given = probabilities[levels >= UNKNOWN]
    low, high = given.min(initial=0), given.max(initial=0)
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ModelOutputError(
            what, "must be in [0, 1]", f"{low:g} to {high:g}", "Apply softmax or sigmoid."
        )
    if ((levels < NO_FACE) | (levels >= len(attribute.levels))).any():
        raise ModelOutputError(
            what,
            f"must have levels in {UNKNOWN}..{len(attribute.levels) - 1}",
            f"{levels.min()} to {levels.max()}",
            "Number the levels from 0; -1 is unknown.",
        )

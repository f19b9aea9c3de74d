"""The protocol of classifiers: images in, predictions of one or more attributes out.

An adapter is any class with these members. Attributes of one model belong to one classifier, so
that one forward pass serves them all. Several threads may call it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import Attribute

FAILED, NO_FACE = -2, -3
"""Levels of an image to which a classifier gave no answer, which is not an abstention: it failed,
and is asked again, or it found no face.

To an audit both are failures to acquire; a `ClassifierPanel` counts them as unknown."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions of one attribute, with L levels, for n images.

    Attributes
    ----------
    levels : numpy.ndarray, shape (n,), int8
        Level numbers; -1 where the classifier abstains, `FAILED` where it failed, `NO_FACE` where
        it found no face.
    probabilities : numpy.ndarray, shape (n, L), float32
        In [0, 1]; one-hot where the classifier has none.
    scores : numpy.ndarray, shape (n,), float32
        A number that increases with the level; NaN where the levels have no order.
    seconds : numpy.ndarray, shape (n,), float32, or None
        Time of each response, of the attempt that was answered; NaN where none was waited for,
        None where nobody measured.
    """

    levels: NDArray[np.int8]
    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    seconds: NDArray[np.float32] | None = None


@runtime_checkable
class Classifier(Protocol):
    """A classifier of faces.

    Attributes
    ----------
    name : str
        Its name in reports.
    digest : str
        SHA-256 of all that determines its predictions: weights and settings.
    attributes : tuple of Attribute
        The attributes that it predicts, in the order of `predict`.
    caveats : tuple of str
        Limitations that reports show beside its numbers, as full sentences.
    pinned : tuple of str
        Names of the pinned models (`equipoise.runtimes.zoo`) that it uses; empty for others.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def attributes(self) -> tuple[Attribute, ...]: ...  # noqa: D102
    @property
    def caveats(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def pinned(self) -> tuple[str, ...]: ...  # noqa: D102

    def predict(self, images: NDArray[np.uint8]) -> tuple[Prediction, ...]:
        """Return one prediction per attribute.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB in [0, 255].
        """
        ...


@runtime_checkable
class HasModelInfo(Protocol):
    """Optional members of a classifier, which reports show.

    Attributes
    ----------
    licence : str
        Licence of its weights; empty where it is not known.
    preprocessing : str
        How images become the network's input.
    """

    @property
    def licence(self) -> str: ...  # noqa: D102
    @property
    def preprocessing(self) -> str: ...  # noqa: D102


@runtime_checkable
class KeepsAnswers(Protocol):
    """A classifier that keeps each answer, and asks about no image twice."""

    def kept_answer(self, image: NDArray[np.uint8]) -> Any:
        """Return the answer that is kept to an image, shape (3, height, width); None without."""
        ...


@runtime_checkable
class KnowsActivation(Protocol):
    """An optional member of a classifier that knows the outputs before its activation."""

    def activation_faults(self, images: NDArray[np.uint8]) -> tuple[str, ...]:
        """Return, for each attribute, why the activation is wrong, or "" where it may be right.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            At least 8, all different.
        """
        ...


def by_probability(
    probabilities: NDArray[np.float32], scores: ArrayLike | None = None
) -> Prediction:
    """Predict the most probable level; of two levels the last if its probability exceeds 0.5.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, L), float32
    scores : array_like, shape (n,), optional
        By default the probability of the last of two levels, and NaN for more levels.
    """
    levels = probabilities.argmax(axis=1).astype(np.int8)
    if scores is None:
        binary = probabilities.shape[1] == 2
        scores = probabilities[:, 1] if binary else np.full(len(levels), np.nan)
    return Prediction(levels, probabilities, np.asarray(scores, dtype=np.float32))


def by_threshold(
    scores: NDArray[np.float32],
    thresholds: ArrayLike,
    probabilities: NDArray[np.float32] | None = None,
) -> Prediction:
    """Predict levels from a score and thresholds; a score at a threshold has the upper level.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n,), float32
    thresholds : array_like, shape (L - 1,)
        In increasing order.
    probabilities : numpy.ndarray, shape (n, L), float32, optional
        One-hot by default.

    Examples
    --------
    >>> by_threshold(np.float32([-5, 10, 50]), [10, 41]).levels.tolist()
    [0, 1, 2]
    """
    cuts = np.asarray(thresholds, dtype=np.float64)
    levels = np.searchsorted(cuts, scores.astype(np.float64), side="right").astype(np.int8)
    if probabilities is None:
        probabilities = np.eye(len(cuts) + 1, dtype=np.float32)[levels]
    return Prediction(levels, probabilities, scores.astype(np.float32))

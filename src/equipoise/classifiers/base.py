"""What every classifier offers: images in, answers on one or more attributes out.

An adapter is any class with these members. Attributes that share a model belong to one
classifier, so that one forward pass serves them all. Calls may come from several threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import Attribute

FAILED = -2
"""Level of an image on which a remote classifier could not be asked: no answer, not an abstention.
Audits count it apart; to a `ClassifierPanel` it is unknown."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Answers on one attribute of n images.

    Attributes
    ----------
    levels : numpy.ndarray, shape (n,), int8
        Level numbers; -1 where the classifier abstains, `FAILED` where it could not be asked.
    probabilities : numpy.ndarray, shape (n, L), float32
        In [0, 1]; one-hot where the classifier gives none.
    scores : numpy.ndarray, shape (n,), float32
        A number that grows with the level; NaN where the levels have no order.
    """

    levels: NDArray[np.int8]
    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]


@runtime_checkable
class Classifier(Protocol):
    """A classifier of faces.

    Attributes
    ----------
    name : str
        What reports call it.
    digest : str
        SHA-256 of all that decides its answers: weights and settings.
    attributes : tuple of Attribute
        What it answers on, in the order of `predict`.
    caveats : tuple of str
        What a reader of its numbers must know, as full sentences.
    pinned : tuple of str
        Names of the pinned models (`equipoise.runtimes.zoo`) that it runs; empty for others.
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
        """Return the answers on each attribute.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB in [0, 255].
        """
        ...


@runtime_checkable
class HasModelInfo(Protocol):
    """What a classifier may tell besides; reports show it.

    Attributes
    ----------
    licence : str
        Of its weights; empty where it is not known.
    preprocessing : str
        What is done to an image before the network sees it.
    """

    @property
    def licence(self) -> str: ...  # noqa: D102
    @property
    def preprocessing(self) -> str: ...  # noqa: D102


def by_probability(
    probabilities: NDArray[np.float32], scores: ArrayLike | None = None
) -> Prediction:
    """Let the most probable level win; of two levels the last wins above 0.5.

    The score is the last level's probability where there are two levels, else NaN, unless
    `scores` gives it. `probabilities` is (n, L), `scores` (n,), for n images and L levels.
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
    """Cut a score at increasing thresholds; a score at a threshold belongs to the upper level.

    `scores` is (n,), `thresholds` (L - 1,), and `probabilities` (n, L): certainty when not given.

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

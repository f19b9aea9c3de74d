"""Fresh codes of the prior as the latent classifier sees them: many, and without a single image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from equipoise.generators.base import Generator
from equipoise.latent import LatentClassifier
from equipoise.matching import Axes, pooled
from equipoise.workers import batches

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Fresh:
    """Codes of the prior with all that a tilt needs to know of them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    places : numpy.ndarray, shape (n, D), float64
        Coordinates of their pooled stem features.
    log_h : numpy.ndarray, shape (n, K), float32
        log P(cell | code) by the latent classifier.
    members : numpy.ndarray, shape (M, n, K), float32
        The same by each of its members alone.
    """

    codes: NDArray[np.float32]
    places: NDArray[np.float64]
    log_h: NDArray[np.float32]
    members: NDArray[np.float32]


def look(
    generator: Generator, classifier: LatentClassifier, axes: Axes, codes: NDArray[np.float32]
) -> Fresh:
    """Read the stems of codes, a few at a time."""
    places, members = [], []
    for low, high in batches(0, len(codes), _CHUNK):
        stem = generator.stem(codes[low:high])
        places.append(axes.place(pooled(stem)))
        members.append(classifier.by_member(stem))
    joined = np.concatenate(members, axis=1)
    # A constant of each code apart, members' logits are what they say.
    together = log_softmax(joined.mean(axis=0), axis=1)
    return Fresh(codes, np.concatenate(places), together, joined)

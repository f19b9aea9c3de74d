"""Cost of a candidate that is read and not made into an image, measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.parallel import one_thread
from equipoise.generators.base import generate
from equipoise.methods.tilt.pilot import CHUNK, pilot_codes
from equipoise.samplers.latent_classifier import LatentClassifier

_ROUNDS = 3
_LONGEST = 1.0
"""Seconds for which stages are read in each round, at most."""


def measured_stage_cost(models: Models, classifier: LatentClassifier, seed: int = 0) -> float:
    """Return what a candidate costs whose stage is read, as a share of an image and its labels."""
    folds = np.zeros(CHUNK, np.int64)

    def read(codes: NDArray[np.float32]) -> object:
        return classifier.log_probabilities(models.generator.stem(codes), folds)

    return measured_cost(models, read, seed)


def measured_cost(
    models: Models, read: Callable[[NDArray[np.float32]], object], seed: int = 0
) -> float:
    """Return what reading a code costs, as a share of an image and its labels.

    Both are computed by one thread, in turn, and for about as long, so that other work on the
    machine slows both alike; the median of three rounds.

    Parameters
    ----------
    models : Models
    read : callable
        Reads codes, shape (n, dim), float32.
    seed : int
        Of the codes.
    """
    generator = models.generator
    codes = pilot_codes(generator, seed, max(generator.batch_size, CHUNK))
    candidates, codes = codes[:CHUNK], codes[: generator.batch_size]

    def image() -> None:
        models.panel.predict(generate(generator, codes))

    def stages() -> None:
        for _ in range(repeats):
            read(candidates)

    repeats = 1
    with one_thread():
        _seconds(stages)  # The first call is slower.
        long = min(_seconds(image), _LONGEST)
        repeats = max(1, round(long / _seconds(stages)))
        rounds = [_seconds(stages) / _seconds(image) for _ in range(_ROUNDS)]
    return float(np.median(rounds)) * len(codes) / (repeats * CHUNK)


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began

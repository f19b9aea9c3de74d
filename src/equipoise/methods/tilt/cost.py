"""Cost of a candidate whose stage is read, measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from equipoise.classifiers.models import Models
from equipoise.core.parallel import one_thread
from equipoise.generators.base import generate
from equipoise.methods.tilt.pilot import CHUNK, pilot_codes
from equipoise.samplers.latent_classifier import LatentClassifier

_ROUNDS = 3
_LONGEST = 1.0
"""Seconds for which stages are read in each round, at most."""


def measured_stage_cost(models: Models, classifier: LatentClassifier, seed: int = 0) -> float:
    """Return what a candidate costs whose stage is read, as a share of an image and its labels.

    Both are computed by one thread, in turn, and for about as long, so that other work on the
    machine slows both alike; the median of three rounds.
    """
    generator = models.generator
    codes = pilot_codes(generator, seed, max(generator.batch_size, CHUNK))
    candidates, folds = codes[:CHUNK], np.zeros(CHUNK, np.int64)
    codes = codes[: generator.batch_size]

    def image() -> None:
        models.panel.predict(generate(generator, codes))

    def stages() -> None:
        for _ in range(repeats):
            classifier.log_probabilities(generator.stem(candidates), folds)

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

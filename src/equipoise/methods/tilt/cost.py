"""Seconds of an image and of a candidate, measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.parallel import one_thread
from equipoise.generators.base import Generator, generate
from equipoise.methods.tilt.pilot import pilot_codes
from equipoise.samplers.latent_classifier import LatentClassifier


def seconds_of_image(models: Models, seed: int = 0) -> float:
    """Return the seconds of an image and its classification, on one thread."""
    generator = models.generator
    codes = pilot_codes(generator, seed, generator.batch_size)
    return _seconds(lambda: models.panel.predict(generate(generator, codes))) / len(codes)


def seconds_of_stage(
    generator: Generator, classifier: LatentClassifier, codes: NDArray[np.float32]
) -> float:
    """Return the seconds of a candidate whose stage is read, on one thread."""
    folds = np.zeros(len(codes), np.int64)
    return _seconds(lambda: classifier.log_probabilities(generator.stem(codes), folds)) / len(codes)


def _seconds(call: Callable[[], object]) -> float:
    """Return the least time of three calls on one thread, in seconds."""
    times = []
    with one_thread():
        for _ in range(3):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
    return min(times)

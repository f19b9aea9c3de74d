"""Pilots: fresh codes of the prior with what the latent classifier says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.parallel import batches, one_thread, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import Stream, child_seed
from equipoise.generators.base import Generator
from equipoise.samplers.latent_classifier import LatentClassifier

PILOT, PROPOSAL_PILOT, _LEAST_PILOT = 49_152, 16_384, 4096
"""Codes that are read for a tilt, for one whose draws are labelled, and where codes are wide."""

_PILOT_VALUES = 2**28
"""Values of a pilot's codes, at most, unless it would be smaller than the least: 1 GiB."""

CHUNK = 512


@dataclass(frozen=True, eq=False)
class Pilot:
    """Fresh codes of the prior with what the latent classifier says of them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    log_h : numpy.ndarray, shape (n, K), float32
        By the fold that draws would take for each.
    """

    codes: NDArray[np.float32]
    log_h: NDArray[np.float32]


def pilot_codes(generator: Generator, seed: int, n: int) -> NDArray[np.float32]:
    """Return the first n codes of a seed's pilot, shape (n, dim), float32."""
    return generator.prior.codes(child_seed(seed, Stream.PILOT_CODES), 0, n)


def reader(
    generator: Generator, classifier: LatentClassifier, execution: Execution
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return what reads codes as draws would, each by the fold of its place, on all cores."""

    def read_part(part: tuple[NDArray[np.float32], NDArray[np.int64]]) -> NDArray[np.float32]:
        return classifier.log_probabilities(generator.stem(part[0]), part[1])

    def read(codes: NDArray[np.float32]) -> NDArray[np.float32]:
        folds = np.arange(len(codes)) % classifier.folds
        parts = ((codes[i:j], folds[i:j]) for i, j in batches(0, len(codes), CHUNK))
        with one_thread():
            return np.concatenate(list(ordered_map(read_part, parts, execution.workers)))

    return read


def read_pilot(
    generator: Generator,
    classifier: LatentClassifier,
    seed: int,
    size: int,
    execution: Execution,
) -> Pilot:
    """Read fresh codes of the prior, fewer where they are wide."""
    size = min(size, max(_LEAST_PILOT, _PILOT_VALUES // generator.dim))
    codes = pilot_codes(generator, seed, size)
    read = reader(generator, classifier, execution)
    return Pilot(codes, read(codes))

"""Balanced references by rejection, and what is measured of images.

Features of images: mean colours of 12x12 areas, projected to 48 fixed orthogonal directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.panel import Panel
from equipoise.classifiers.resize import resize
from equipoise.errors import TooFewSamples
from equipoise.generators.base import Generator, generate
from equipoise.groups import Groups
from equipoise.labels import Labels, concatenate
from equipoise.workers import batches, ordered_map

_SIDE, _DIRECTIONS = 12, 48


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is measured of a set of images.

    Attributes
    ----------
    features : numpy.ndarray, shape (n, 48), float64
    labels : Labels
    """

    features: NDArray[np.float64]
    labels: Labels


def picture(
    generator: Generator, panel: Panel, codes: NDArray[np.float32], workers: int | None = None
) -> Pictures:
    """Generate, label and featurise codes, batch by batch on all cores."""
    channels = generator.image_shape[0]
    noise = np.random.default_rng(0).standard_normal((channels * _SIDE**2, _DIRECTIONS))
    projection = np.linalg.qr(noise)[0]

    def one(bounds: tuple[int, int]) -> tuple[Labels, NDArray[np.float64]]:
        images = generate(generator, codes[slice(*bounds)])
        areas = resize(images, _SIDE).numpy().reshape(len(images), -1) / 255
        return panel.read(images), np.asarray(areas @ projection, np.float64)

    parts = list(ordered_map(one, batches(0, len(codes), generator.batch_size), workers))
    return Pictures(np.concatenate([f for _, f in parts]), concatenate([x for x, _ in parts]))


@dataclass(frozen=True, eq=False)
class Pool:
    """Many labelled codes of the prior, from which balanced references are taken by rejection.

    Attributes
    ----------
    generator : Generator
    labels : Labels
        Of codes 0, 1, ... of the seed.
    seed : int
    n : int
        Images wanted in a reference.
    """

    generator: Generator
    labels: Labels
    seed: int
    n: int

    def balanced(self, groups: Groups, number: int) -> NDArray[np.int64]:
        """Return the indices of reference `number` (0 or 1), equally many of each cell.

        Raises
        ------
        TooFewSamples
            When a cell has fewer than two codes in the pool.
        """
        own = self._own(groups)
        each = min(self.n // groups.size, min(map(len, own)) // 2)
        if each == 0:
            rarest = groups.cells[int(np.argmin([len(rows) for rows in own]))]
            raise TooFewSamples(
                f"cell {rarest!r} of the pool", "must have at least 2 codes", 0, "Raise --pool."
            )
        return np.concatenate([rows[number * each : (number + 1) * each] for rows in own])

    def calls(self, groups: Groups) -> float:
        """Return generator calls per image of a reference."""
        return len(self.labels) / min(map(len, self._own(groups))) / groups.size

    def codes(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Make codes of the pool again, in rising order."""
        rows = [self.generator.prior.codes(self.seed, int(i), int(i) + 1) for i in np.sort(index)]
        return np.concatenate(rows)

    def _own(self, groups: Groups) -> list[NDArray[np.int64]]:
        cells = self.labels.restricted(groups).cells
        return [np.flatnonzero(cells == k) for k in range(groups.size)]

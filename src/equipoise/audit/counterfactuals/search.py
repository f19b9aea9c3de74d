"""Search for counterfactual sets: one face at every level of one attribute, all others unchanged.

A verified code moves along the conditional direction of the varied attribute, step by step, in both
directions. A set is complete when the panel has seen every level on the path while the other
balanced attributes were unchanged. For each level the image nearest to the start is taken.

Only some faces give a complete set. Measurements hold for these faces, and the yield by cell shows
their share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import InputError, check_count
from equipoise.core.parallel import batches
from equipoise.engines import Shard
from equipoise.generators.base import Generator, generate
from equipoise.samplers.sampler import LatentBatch, Sampler

STEP, REACH = 0.5, 8.0
"""Length of a step and of the path in each direction, in units of latent space; by hand."""

ATTEMPTS = 20
"""Starts per requested set after which the search ends; chosen by hand."""

_STARTS = 16
"""Largest number of starts of one cell in a batch; chosen by hand."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a batch of starts of one cell gave: its complete sets, m of them.

    Attributes
    ----------
    codes : numpy.ndarray, shape (m, L, dim), float32
        Of each face at each level.
    images : numpy.ndarray, shape (m, L, 3, height, width), uint8
    step_lengths : numpy.ndarray, shape (m, L), float32
        Distance of each code from its start, in units of latent space; 0 at the start's level.
    starts : numpy.ndarray, shape (s,), int64
        The cell of each verified start.
    whole : numpy.ndarray, shape (s,), bool
        Which starts gave a complete set.
    calls : int
        Generator calls.
    """

    codes: NDArray[np.float32]
    images: NDArray[np.uint8]
    step_lengths: NDArray[np.float32]
    starts: NDArray[np.int64]
    whole: NDArray[np.bool_]
    calls: int

    @property
    def cells(self) -> NDArray[np.int64]:
        """The cell of each complete set at its start."""
        return self.starts[self.whole]


@dataclass(frozen=True, eq=False, kw_only=True)
class CounterfactualSearch:
    """A search for counterfactual sets, batch of starts by batch of starts.

    Attributes
    ----------
    sampler : Sampler
        Draws the starts, equally many in each cell of positive target.
    models : Models
        The generator, and the panel that verifies every image; it predicts the sampler's
        attributes.
    attribute : str
        The attribute that varies.
    normals : numpy.ndarray, shape (P, dim), float64
        Its conditional unit normals: one that increases with the level, or one per level.
    n : int
        Requested sets. After `ATTEMPTS` * n starts the search ends with the sets found so far.
    seed : int
        Seed of the starts, in [0, 2**63).

    Raises
    ------
    InputError
        When n breaks its rule, or the attribute is unknown.
    """

    sampler: Sampler
    models: Models
    attribute: str
    normals: NDArray[np.float64]
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("pairs_n", self.n, "Pass --pairs-n 200.")
        dim, levels = self.models.generator.dim, len(self.levels)
        if self.normals.shape not in ((1, dim), (levels, dim)):
            raise InputError(
                f"normals of {self.attribute!r}",
                f"must have shape (1, {dim}) or ({levels}, {dim})",
                self.normals.shape,
                "Read them with `equipoise.methods.shift.hyperplanes.read_conditional`.",
            )

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of the varied attribute."""
        grid = self.sampler.grid
        return grid.attributes[grid.attribute(self.attribute)].levels

    @property
    def identity(self) -> str:
        """All that determines the sets."""
        own = {
            "sampler": self.sampler.digest,
            **self.models.identity,
            "attribute": self.attribute,
            "normals": hashlib.sha256(self.normals.tobytes()).hexdigest(),
            "n": self.n,
            "seed": self.seed,
        }
        return json.dumps(own, sort_keys=True)

    def shards(self) -> Iterator[Shard]:
        """Yield batches of starts, in order: some draws of one cell each, the cells in rotation."""
        number, cells = 0, len(self._cells)
        few = min(_STARTS, -(-self.n // cells))
        for low, high in batches(0, -(-self.n * ATTEMPTS // cells), few):
            for _ in range(cells):
                yield Shard(number, low, high)
                number += 1

    def sweep(self, shard: Shard) -> Sweep:
        """Draw a batch of starts, and move those that are verified to every level."""
        cell = self.sampler.grid.cells[self._cells[shard.number % len(self._cells)]]
        starts = self.sampler.draw(shard.rows, self.seed, cell=cell, start=shard.start)
        varied = self.sampler.grid.attribute(self.attribute)
        generator, panel = self.models.generator, self.models.panel
        return _sweep_attribute(starts, generator, panel, varied, len(self.levels), self.normals)

    @property
    def _cells(self) -> list[int]:
        return [int(k) for k in np.flatnonzero(self.sampler.target.shares)]


def _sweep_attribute(
    starts: LatentBatch,
    generator: Generator,
    panel: ClassifierPanel,
    varied: int,
    count: int,
    normals: NDArray[np.float64],
) -> Sweep:
    """Move verified starts along the directions, and return those that reach every level."""
    first = generate(generator, starts.codes)
    verified = panel.predict(first).cells == starts.requested
    codes, home = starts.codes[verified], starts.requested[verified]
    path = np.zeros((len(codes), count, generator.dim), np.float32)
    pictures = np.zeros((len(codes), count, *generator.image_shape), np.uint8)
    step_lengths = np.full((len(codes), count), np.inf, np.float32)
    own = panel.grid.levels[home]
    rows = np.arange(len(codes))
    path[rows, own[:, varied]] = codes
    pictures[rows, own[:, varied]] = first[verified]
    step_lengths[rows, own[:, varied]] = 0
    calls = len(first)
    for direction in _directions(normals):
        for length in np.arange(STEP, REACH + STEP / 2, STEP, dtype=np.float32):
            # Faces that have all levels move no further.
            going = np.flatnonzero(np.isinf(step_lengths).any(axis=1))
            if not len(going):
                break
            moved = codes[going] + length * direction.astype(np.float32)
            images = generate(generator, moved)
            calls += len(images)
            seen = panel.predict(images).levels.astype(np.int64)
            others = np.delete(seen, varied, axis=1) == np.delete(own[going], varied, axis=1)
            level = seen[:, varied]
            better = (level >= 0) & others.all(axis=1)
            better &= length < step_lengths[going, np.maximum(level, 0)]
            rows, reached = going[better], level[better]
            path[rows, reached] = moved[better]
            pictures[rows, reached] = images[better]
            step_lengths[rows, reached] = length
    whole = np.asarray(np.isfinite(step_lengths).all(axis=1))
    return Sweep(path[whole], pictures[whole], step_lengths[whole], home, whole, calls)


def _directions(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit directions: both signs of one normal, or one towards each level."""
    return np.concatenate([normals, -normals]) if len(normals) == 1 else normals

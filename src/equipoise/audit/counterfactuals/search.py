"""Search for counterfactual sets: one face at every level of one attribute, all others unchanged.

A verified code moves along the conditional direction of the varied attribute, step by step, in both
directions. A set is complete when the panel has seen every level on the path while the other
balanced attributes were unchanged. For each level the image nearest to the start is taken.

Only some faces give a complete set. Measurements hold for these faces, and the yield by cell shows
their share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.panel import ClassifierPanel
from equipoise.core.errors import InputError, check_count
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Progress, no_progress
from equipoise.generators.base import Generator, generate
from equipoise.samplers.sampler import LatentBatch, Sampler

STEP, REACH = 0.5, 8.0
"""Length of a step and of the path in each direction, in units of latent space; by hand."""

ATTEMPTS = 20
"""Starts per requested set after which the search ends; chosen by hand."""

_STARTS = 16
"""Largest number of starts of one cell in a batch; chosen by hand."""


@dataclass(frozen=True, eq=False)
class CounterfactualSets:
    """Images of m faces at each of the L levels of one attribute.

    Attributes
    ----------
    attribute : str
        The varied attribute.
    levels : tuple of str
        Its levels.
    codes : numpy.ndarray, shape (m, L, dim), float32
    images : numpy.ndarray, shape (m, L, 3, height, width), uint8
    cells : numpy.ndarray, shape (m,), int64
        The cell of each face at its start.
    step_lengths : numpy.ndarray, shape (m, L), float32
        Distance of each code from its start, in units of latent space; 0 at the start's level.
    tried : numpy.ndarray, shape (K,), int64
        Verified starts in each cell, up to the last one that gave a set.
    calls : int
        Generator calls of the search.
    """

    attribute: str
    levels: tuple[str, ...]
    codes: NDArray[np.float32]
    images: NDArray[np.uint8]
    cells: NDArray[np.int64]
    step_lengths: NDArray[np.float32]
    tried: NDArray[np.int64]
    calls: int

    def __len__(self) -> int:
        return len(self.cells)


@dataclass(frozen=True, eq=False)
class _Sweep:
    """The complete sets of one batch of verified starts."""

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


def make_counterfactuals(
    sampler: Sampler,
    generator: Generator,
    panel: ClassifierPanel,
    attribute: str,
    normals: NDArray[np.float64],
    n: int,
    seed: int = 0,
    *,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> CounterfactualSets:
    """Search for counterfactual sets; the result does not depend on the number of workers.

    Parameters
    ----------
    sampler : Sampler
        Draws the starts, equally many in each cell of positive target.
    generator : Generator
    panel : ClassifierPanel
        Verifies every image; predicts the sampler's attributes.
    attribute : str
        The attribute that varies.
    normals : numpy.ndarray, shape (P, dim), float64
        Its conditional unit normals: one that increases with the level, or one per level.
    n : int
        Requested sets. After `ATTEMPTS` * n starts the search returns the sets found so far.
    seed : int
        Seed of the starts, in [0, 2**63).
    workers : int, optional
        Threads; all cores by default.
    progress : Progress
        Reports sets found.

    Raises
    ------
    InputError
        When n breaks its rule, or the attribute is unknown.
    """
    check_count("pairs_n", n, "Pass --pairs-n 200.")
    varied = sampler.grid.attribute(attribute)
    levels = sampler.grid.attributes[varied].levels
    if normals.shape not in ((1, generator.dim), (len(levels), generator.dim)):
        raise InputError(
            f"normals of {attribute!r}",
            f"must have shape (1, {generator.dim}) or ({len(levels)}, {generator.dim})",
            normals.shape,
            "Read them with `equipoise.methods.shift.hyperplanes.read_conditional`.",
        )

    def sweep(starts: LatentBatch) -> _Sweep:
        return _sweep_attribute(starts, generator, panel, varied, len(levels), normals)

    found: list[_Sweep] = []
    tried, have, calls = np.zeros(sampler.grid.size, np.int64), 0, 0
    progress("pairs", 0, n)
    with closing(ordered_map(sweep, _starts(sampler, n, seed), workers)) as results:
        for part in results:
            found.append(part)
            last = np.flatnonzero(part.whole)[n - have - 1 : n - have]
            counted = part.starts[: last[0] + 1] if len(last) else part.starts
            tried += np.bincount(counted, minlength=len(tried))
            calls += part.calls
            have += len(part.cells)
            progress("pairs", min(have, n), n)
            if have >= n:
                break
    parts = [f for f in found if len(f.cells)] or found[:1]
    return CounterfactualSets(
        attribute,
        levels,
        np.concatenate([part.codes for part in parts])[:n],
        np.concatenate([part.images for part in parts])[:n],
        np.concatenate([part.cells for part in parts])[:n],
        np.concatenate([part.step_lengths for part in parts])[:n],
        tried,
        calls,
    )


def _starts(sampler: Sampler, n: int, seed: int) -> Iterator[LatentBatch]:
    """Yield about `ATTEMPTS` * n draws, in batches of one cell, the cells in rotation."""
    cells = [sampler.grid.cells[k] for k in np.flatnonzero(sampler.target.shares)]
    few = min(_STARTS, -(-n // len(cells)))
    for low, high in batches(0, -(-n * ATTEMPTS // len(cells)), few):
        for cell in cells:
            yield sampler.draw(high - low, seed, cell=cell, start=low)


def _sweep_attribute(
    starts: LatentBatch,
    generator: Generator,
    panel: ClassifierPanel,
    varied: int,
    count: int,
    normals: NDArray[np.float64],
) -> _Sweep:
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
    return _Sweep(path[whole], pictures[whole], step_lengths[whole], home, whole, calls)


def _directions(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit directions: both signs of one normal, or one towards each level."""
    return np.concatenate([normals, -normals]) if len(normals) == 1 else normals

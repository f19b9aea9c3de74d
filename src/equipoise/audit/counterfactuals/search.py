"""Images of one face at every level of one attribute, all other attributes kept.

A verified code moves along the conditional direction of the varied attribute, step by step, both
ways. A ladder is kept when the panel sees every level somewhere on the way while the other
balanced attributes stay as they were; of each level the image nearest to the start is taken.

Kept faces are those that can be moved: what is measured on them holds for them, and the yield by
cell tells how many they are.
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
"""Length of a step and of the whole way to either side, in units of code space."""

ATTEMPTS = 20
"""Starts per wanted ladder after which the search ends."""

_STARTS = 16


@dataclass(frozen=True, eq=False)
class CounterfactualSets:
    """CounterfactualSets of m faces over the L levels of one attribute.

    Attributes
    ----------
    attribute : str
    levels : tuple of str
    codes : numpy.ndarray, shape (m, L, dim), float32
    images : numpy.ndarray, shape (m, L, 3, height, width), uint8
    cells : numpy.ndarray, shape (m,), int64
        The cell in which each face began.
    moves : numpy.ndarray, shape (m, L), float32
        How far each image is from the start, in units of code space; 0 at the start's own level.
    tried : numpy.ndarray, shape (K,), int64
        Verified starts in each cell, up to the last one that became a ladder of these; those that
        did are in `cells`.
    calls : int
        Generator calls that the search cost.
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
    """What became of one batch of verified starts, and the ladders of the complete ones."""

    codes: NDArray[np.float32]
    images: NDArray[np.uint8]
    step_lengths: NDArray[np.float32]
    starts: NDArray[np.int64]
    whole: NDArray[np.bool_]
    calls: int

    @property
    def cells(self) -> NDArray[np.int64]:
        """The cell in which each ladder began."""
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
    """Search for ladders; those of a seed are the same for any number of workers.

    Parameters
    ----------
    sampler : Sampler
        Gives the starts, equally many in each cell of positive target.
    generator : Generator
    panel : ClassifierPanel
        Confirms every image; reads the sampler's attributes.
    attribute : str
        The one that varies.
    normals : numpy.ndarray, shape (P, dim), float64
        Its conditional unit normals: one that grows with the level, or one a level.
    n : int
        Wanted ladders. The search ends at `ATTEMPTS` starts for each, with what it has.
    seed : int
        Names the starts.
    progress : Progress
        Told of ladders found.

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

    def sweep_attribute(starts: LatentBatch) -> _Sweep:
        return _climb(starts, generator, panel, varied, len(levels), normals)

    found: list[_Sweep] = []
    tried, have, calls = np.zeros(sampler.grid.size, np.int64), 0, 0
    progress("pairs", 0, n)
    with closing(ordered_map(sweep_attribute, _starts(sampler, n, seed), workers)) as results:
        for climbed in results:
            found.append(climbed)
            last = np.flatnonzero(climbed.whole)[n - have - 1 : n - have]
            counted = climbed.starts[: last[0] + 1] if len(last) else climbed.starts
            tried += np.bincount(counted, minlength=len(tried))
            calls += climbed.calls
            have += len(climbed.cells)
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
    """Yield `ATTEMPTS` draws or so for each of n, a few of each cell in turn."""
    cells = [sampler.grid.cells[k] for k in np.flatnonzero(sampler.target.shares)]
    few = min(_STARTS, -(-n // len(cells)))
    for low, high in batches(0, -(-n * ATTEMPTS // len(cells)), few):
        for cell in cells:
            yield sampler.draw(high - low, seed, cell=cell, start=low)


def _climb(
    starts: LatentBatch,
    generator: Generator,
    panel: ClassifierPanel,
    varied: int,
    count: int,
    normals: NDArray[np.float64],
) -> _Sweep:
    """Move verified starts both ways, and keep those that reach every level."""
    first = generate(generator, starts.codes)
    verified = panel.predict(first).cells == starts.requested
    codes, home = starts.codes[verified], starts.requested[verified]
    ladder = np.zeros((len(codes), count, generator.dim), np.float32)
    pictures = np.zeros((len(codes), count, *generator.image_shape), np.uint8)
    step_lengths = np.full((len(codes), count), np.inf, np.float32)
    own = panel.grid.levels[home]
    rows = np.arange(len(codes))
    ladder[rows, own[:, varied]] = codes
    pictures[rows, own[:, varied]] = first[verified]
    step_lengths[rows, own[:, varied]] = 0
    calls = len(first)
    for way in _ways(normals):
        for length in np.arange(STEP, REACH + STEP / 2, STEP, dtype=np.float32):
            # A face that has all levels, or all nearer ones, climbs no further.
            going = np.flatnonzero(np.isinf(step_lengths).any(axis=1))
            if not len(going):
                break
            moved = codes[going] + length * way.astype(np.float32)
            images = generate(generator, moved)
            calls += len(images)
            seen = panel.predict(images).levels.astype(np.int64)
            others = np.delete(seen, varied, axis=1) == np.delete(own[going], varied, axis=1)
            level = seen[:, varied]
            better = (level >= 0) & others.all(axis=1)
            better &= length < step_lengths[going, np.maximum(level, 0)]
            rows, reached = going[better], level[better]
            ladder[rows, reached] = moved[better]
            pictures[rows, reached] = images[better]
            step_lengths[rows, reached] = length
    whole = np.asarray(np.isfinite(step_lengths).all(axis=1))
    return _Sweep(ladder[whole], pictures[whole], step_lengths[whole], home, whole, calls)


def _ways(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit directions to try: both ways of one normal, or towards each level."""
    return np.concatenate([normals, -normals]) if len(normals) == 1 else normals

"""Stage 3: codes moved to signed distances from the hyperplanes, for one cell at a time.

The recipe of Tan, Shen and Zhou 2020 (arXiv 2012.04842, section 3). A code x moves by the
shortest step that puts it at the wanted coordinate along every normal at once:
x' = x + N^+ (c - N x), with N the normals (P, dim) and N^+ their pseudo-inverse. Entangled
attributes are thereby solved together, where moving along one normal after the other would undo
the earlier moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.errors import InputError, check_count
from equipoise.core.seeds import Stream, child_seed
from equipoise.generators.base import Prior, StandardNormal
from equipoise.methods.shift.hyperplanes import Directions

_LEAST_SINGULAR_SHARE = 0.1
"""Combinations of normals shorter than this share of the longest are left alone: they are what
nearly dependent attributes differ in, and solving for them would throw codes far off. Two normals
are dependent in this sense when their cosine exceeds 0.98."""

_SPREAD_CODES = 4096


@dataclass(frozen=True, eq=False, kw_only=True)
class ShiftInfo:
    """Displacement of the codes of one cell.

    Attributes
    ----------
    distance : tuple of float
        5 %, 50 % and 95 % quantiles of the distance between a code and its shifted code.
    norm_before, norm_after : float
        Mean Euclidean norm. A prior of dimension d keeps its codes near sqrt(d).
    log_density_lost : float or None
        Mean fall of the prior's log density, in nats; 0 means codes as likely as before. None
        where the prior's density is not known.
    norm_missed : int
        Codes whose norm could not be kept because the requested coordinates alone exceed it; 0
        without `keep_norm`.
    off_target : float
        Largest mean difference between a requested and a reached coordinate, in units of code
        space; 0 unless normals are dependent and their requests contradict each other.
    """

    distance: tuple[float, float, float]
    norm_before: float
    norm_after: float
    log_density_lost: float | None
    norm_missed: int
    off_target: float


@dataclass(frozen=True, eq=False)
class Shifted:
    """Codes of one cell.

    Attributes
    ----------
    codes : numpy.ndarray, shape (per_cell, dim), float32
    moved : ShiftInfo
    """

    codes: NDArray[np.float32]
    shift: ShiftInfo


def move_to(
    codes: NDArray[np.float32],
    normals: NDArray[np.float64],
    coordinates: ArrayLike,
    *,
    keep_norm: bool = False,
) -> tuple[NDArray[np.float32], int]:
    """Move codes by the shortest step to the wanted coordinate along every normal.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    normals : numpy.ndarray, shape (P, dim), float64
        Unit vectors. Where they depend on each other, coordinates are met in least squares.
    coordinates : array_like, shape (P,)
        Wanted values of normals @ code.
    keep_norm : bool
        Rescale the part of each code that no normal sees, so that the code's norm stays what it
        was. The coordinates are met all the same.

    Returns
    -------
    moved : numpy.ndarray, shape (n, dim), float32
    missed : int
        Codes whose norm could not be kept.

    Examples
    --------
    >>> moved, _ = move_to(np.float32([[1, 2, 2]]), np.eye(3)[:1], [3.0], keep_norm=True)
    >>> moved.round(3).tolist(), float(np.linalg.norm(moved).round(5))
    ([[3.0, 0.0, 0.0]], 3.0)
    """
    rows = codes.astype(np.float64)
    inverse = np.linalg.pinv(normals, rcond=_LEAST_SINGULAR_SHARE)
    shift = rows + (np.asarray(coordinates) - rows @ normals.T) @ inverse.T
    missed = 0
    if keep_norm:
        seen = shift @ normals.T @ inverse.T
        free = shift - seen
        room = np.square(rows).sum(axis=1) - np.square(seen).sum(axis=1)
        missed = int((room < -1e-9).sum())
        lengths = np.linalg.norm(free, axis=1)
        scale = np.sqrt(np.maximum(room, 0)) / np.where(lengths > 0, lengths, 1)
        shift = seen + scale[:, None] * free
    return shift.astype(np.float32), missed


def shift_codes(
    prior: Prior,
    directions: Directions,
    cell: int,
    *,
    distance: float = 3.0,
    per_cell: int = 5000,
    keep_norm: bool = False,
    seed: int = 0,
) -> Shifted:
    """Make the codes of one cell by shifting codes from the prior.

    Parameters
    ----------
    prior : Prior
        Gives the codes to shift; each cell gets codes of its own.
    directions : Directions
        The hyperplanes.
    cell : int
        Which cell of the directions' groups.
    distance : float
        Signed distance from the hyperplanes, above 0, in standard deviations of the prior along
        the normal: units of code space for a standard normal prior. The paper's released demo used
        3.0.
    per_cell : int
        How many codes, the same for every cell.
    keep_norm : bool
        Keep each code's norm, for priors whose codes lie near a sphere.
    seed : int
        Of the codes to shift.

    Raises
    ------
    InputError
        When a setting breaks its rule.
    """
    if not np.isfinite(distance) or distance <= 0:
        raise InputError("distance", "must be above 0", distance, "Pass --distance 3.")
    check_count("per_cell", per_cell, "Pass --per-cell 5000.")
    # Codes of their own, apart from the labelled ones of the same seed.
    source = child_seed(seed, Stream.SHIFT_CODES)
    codes = prior.codes(source, cell * per_cell, (cell + 1) * per_cell)
    spread = _spread_of(prior)
    placements = [
        direction.placement(int(level), distance * spread(direction.normal(int(level))))
        for direction, level in zip(
            directions.directions, directions.grid.levels[cell], strict=True
        )
    ]
    normals = np.stack([normal for normal, _ in placements])
    wanted = np.array([coordinate for _, coordinate in placements])
    shift, missed = move_to(codes, normals, wanted, keep_norm=keep_norm)
    off = float(np.abs((shift @ normals.T - wanted).mean(axis=0)).max())
    return Shifted(shift, _account(prior, codes, shift, missed, off))


def _spread_of(prior: Prior) -> Callable[[NDArray[np.float64]], float]:
    """Return a function that gives the standard deviation of the prior along a unit vector."""
    if isinstance(prior, StandardNormal):
        return lambda normal: 1.0
    codes = prior.codes(0, 0, _SPREAD_CODES)
    return lambda normal: float((codes @ normal).std())


def _account(
    prior: Prior,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    missed: int,
    off_target: float,
) -> ShiftInfo:
    steps = np.linalg.norm(after.astype(np.float64) - before, axis=1)
    low, middle, high = np.quantile(steps, [0.05, 0.5, 0.95])
    likely, then = prior.log_density(before), prior.log_density(after)
    return ShiftInfo(
        distance=(float(low), float(middle), float(high)),
        norm_before=float(np.linalg.norm(before, axis=1).mean()),
        norm_after=float(np.linalg.norm(after, axis=1).mean()),
        log_density_lost=None if likely is None or then is None else float((likely - then).mean()),
        norm_missed=missed,
        off_target=off_target,
    )

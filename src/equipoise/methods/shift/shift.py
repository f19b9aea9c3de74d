"""Shift codes to the wanted side of every hyperplane, for one cell at a time.

This is the recipe of Tan, Shen and Zhou 2020 (arXiv 2012.04842, section 3). Let N be the unit
normals, shape (P, dim), and c the wanted coordinates along them, shape (P,). A code x moves by the
shortest step that reaches all coordinates at once:

    x' = x + N^+ (c - N x),

where N^+ is the pseudo-inverse. The joint solution matters when attributes are entangled: steps
along one normal after the other would undo earlier ones.
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
"""Singular values of the normals below this share of the largest count as 0, chosen by hand.
Normals of nearly dependent attributes differ by such a small component, and solving for it would
move codes very far. The share of 0.1 treats two normals so when their cosine exceeds 0.98."""

_SPREAD_CODES = 4096
"""Codes from which the standard deviation along a normal is estimated, chosen by hand. Its relative
standard error is then about 1 %."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ShiftInfo:
    """Displacement of the codes of one cell.

    Attributes
    ----------
    distance : tuple of float
        5 %, 50 % and 95 % quantiles of the distance between a code and its shifted code.
    norm_before, norm_after : float
        Mean Euclidean norm before and after. Codes of a standard normal prior of dimension d have
        norms near sqrt(d).
    log_density_lost : float or None
        Mean decrease of the prior's log density, in nats. 0 means that shifted codes are as likely
        as before. None when the prior's density is not known.
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
    """The shifted codes of one cell.

    Attributes
    ----------
    codes : numpy.ndarray, shape (per_cell, dim), float32
    shift : ShiftInfo
        How far they moved.
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
    """Move codes by the shortest step to the wanted coordinates along all normals.

    Parameters
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    normals : numpy.ndarray, shape (P, dim), float64
        Unit vectors. When they depend on each other, coordinates are met in least squares.
    coordinates : array_like of float, shape (P,)
        Wanted values of normals @ code, in units of code space.
    keep_norm : bool
        Keep the norm of each code, by rescaling its component orthogonal to all normals. The
        coordinates are met as before.

    Returns
    -------
    moved : numpy.ndarray, shape (n, dim), float32
    missed : int
        Number of codes whose norm could not be kept.

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
        Gives the codes to shift. Each cell has codes of its own.
    directions : Directions
        The hyperplanes.
    cell : int
        Number of the cell in `directions.grid`, in [0, K).
    distance : float
        Distance from the outer boundaries, above 0, in standard deviations of the prior along the
        normal. For a standard normal prior these are units of code space. The released demo of the
        paper used 3.0.
    per_cell : int
        Number of codes, at least 1; the same for every cell.
    keep_norm : bool
        Keep the norm of each code. Meant for priors whose codes have nearly equal norms.
    seed : int
        Seed of the codes to shift, in [0, 2**63).

    Returns
    -------
    Shifted

    Raises
    ------
    InputError
        When distance, per_cell or seed breaks its rule.
    """
    if not np.isfinite(distance) or distance <= 0:
        raise InputError("distance", "must be above 0", distance, "Pass --distance 3.")
    check_count("per_cell", per_cell, "Pass --per-cell 5000.")
    # A seed of their own, so that they differ from the labelled codes.
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

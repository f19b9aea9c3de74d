"""Request rates within every context, from a confusion that contexts share in part.

Each cell of a context is requested by a variant of its prompt, and what comes out is counted.
Forty prompts and six cells have 240 rows of confusion, and few labels each. But rows are alike: of
one cell across contexts, because an edit works much the same everywhere, and of one context across
cells, because where an edit fails the context's own images come out. So the row of context c and
cell k is taken for a draw of a Dirichlet distribution whose mean is

    pooled row of cell k + n / (n + d) (departure of the other rows of c from their pooled rows),

bounded below and scaled to sum to 1, where n are the labels of those other rows. The doubt d and
the strength of the distribution are fitted by marginal likelihood over all contexts, for each cell.
A row with few labels then leans on the others, and one with many stands on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from equipoise.core.attributes import UNKNOWN
from equipoise.core.context_targets import Targets, each_of
from equipoise.core.errors import InputError, InsufficientLabelsError
from equipoise.core.seeds import Stream, generator_for
from equipoise.core.targets import Target
from equipoise.methods.calibration import Calibration, calibrate

_DRAWS = 1000
"""Draws of each context's posterior; its intervals need no more."""

_STRENGTHS = np.geomspace(0.3, 1e5, 18)
"""Strengths that are tried, in labels. At the largest, a row is all but its mean."""

_DOUBTS = np.array([0.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 1e9])
"""Doubts that are tried, in labels: at the first a context's departure elsewhere is believed, and
at the last it is not."""

_LEAST = 0.1
"""Least part of a pooled rate that a context's prior keeps; chosen by hand."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ContextCalibration:
    """Request rates of every context.

    Attributes
    ----------
    contexts : tuple of Calibration
        One for each context, in order: rates, expected shares with intervals, purity and calls.
    pooled : numpy.ndarray, shape (K, K + 1), float64
        Confusion of all contexts together: the mean of the prior.
    strengths : numpy.ndarray, shape (K,), float64
        For each requested cell the labels of one row that the other rows are worth; NaN where the
        cell was not requested.
    doubts : numpy.ndarray, shape (K,), float64
        d: labels of a context's other rows at which half of their departure is believed.
    """

    contexts: tuple[Calibration, ...]
    pooled: NDArray[np.float64]
    strengths: NDArray[np.float64]
    doubts: NDArray[np.float64]

    @property
    def unreachable(self) -> tuple[int, ...]:
        """Contexts whose target no rates reach."""
        return tuple(c for c, one in enumerate(self.contexts) if not one.reachable)


def count_by_context(
    contexts: ArrayLike, requested: ArrayLike, achieved: ArrayLike, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return what came out of requests, shape (C, K, K + 1).

    Parameters
    ----------
    contexts, requested, achieved : array_like of int, shape (n,)
        For each image the numbers of its context, of the requested cell, and of the cell that the
        classifier sees, -1 where that is unknown.
    shape : (int, int)
        Numbers C of contexts and K of cells.

    Raises
    ------
    InputError
        When a number is out of range.

    Examples
    --------
    >>> count_by_context([0, 0, 1], [1, 1, 0], [1, 0, -1], (2, 2)).tolist()
    [[[0, 0, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]]
    """
    found = np.zeros((*shape, shape[1] + 1), np.int64)
    rows = []
    for name, given, least, most in (
        ("context", contexts, 0, shape[0]),
        ("requested cell", requested, 0, shape[1]),
        ("achieved cell", achieved, UNKNOWN, shape[1]),
    ):
        numbers = np.asarray(given, np.int64)
        bad = (numbers < least) | (numbers >= most)
        if bad.any():
            rule = f"must be in [{least}, {most})"
            raise InputError(name, rule, int(numbers[bad][0]), "Number them from 0.")
        rows.append(numbers)
    np.add.at(found, (rows[0], rows[1], rows[2]), 1)  # -1 is the last column.
    return found


def calibrate_contexts(
    counts: NDArray[np.int64], targets: Targets, seed: int = 0
) -> ContextCalibration:
    """Solve for the request rates of every context.

    Parameters
    ----------
    counts : numpy.ndarray, shape (C, K, K + 1), int64
        For each context: rows requested, columns achieved, the last column unknown. A context may
        be without labels of a cell, and then takes the row of the others.
    targets : Target or sequence of Target
        What the known images of every context are to follow, or those of each.
    seed : int
        Of the draws from the posterior.

    Raises
    ------
    InsufficientLabelsError
        When a cell with a positive target was requested in no context, or gave no known image.
    InputError
        When there is not one target for each context.
    """
    every = each_of(targets, len(counts))
    _check_requested(counts, every)
    sizes = counts.sum(axis=2)
    asked = sizes.sum(axis=0) > 0
    columns = counts.shape[2]
    pooled = (counts.sum(axis=0) + 1 / columns) / (sizes.sum(axis=0) + 1)[:, None]
    pooled[~asked] = 0
    apart, beside = _departures(counts, pooled)
    labelled = apart[sizes.sum(axis=1) > 0]
    rng = generator_for(seed, Stream.CONTEXT_POSTERIOR)
    best = np.full((2, len(asked)), np.nan)
    # Rows of cells that were not requested are fitted to nothing, and are 0.
    plausible = np.ones((2, _DRAWS, len(asked), 1))
    for k in np.flatnonzero(asked):
        fits = _fits(counts[:, k], pooled[k], apart[:, k], beside[:, k])
        best[:, k] = _at(int(fits.argmax()))
        chances = np.exp(fits - fits.max())
        plausible[:, :, k, 0] = _at(rng.choice(len(fits), _DRAWS, p=chances / chances.sum()))
    found = []
    for c, own in enumerate(counts):
        strength, doubt = np.where(asked, best, 1)[:, :, None]
        believed = _believed(beside[c], doubt)
        confusion = _over_sum(strength * _moved(pooled, believed * apart[c]) + own)
        # A departure is noisy, alike for all rows of a context; where it is not believed, the
        # context may depart as any other does.
        strength, doubt = plausible
        believed = _believed(beside[c], doubt)
        certain = np.where(asked[:, None], confusion, np.eye(*confusion.shape))
        again = rng.multinomial(sizes[c], certain, size=(_DRAWS, len(asked)))
        noise = _departures(again, pooled)[0] - _departures(certain * sizes[c, :, None], pooled)[0]
        other = labelled[rng.integers(len(labelled), size=_DRAWS)]
        departed = believed * (apart[c] + noise) + (1 - believed) * other
        # Gamma draws over their sum are a draw of the Dirichlet distribution.
        drawn = _over_sum(rng.gamma(strength * _moved(pooled, departed) + own))
        found.append(calibrate(confusion, drawn, every[c], int(own.sum())))
    return ContextCalibration(
        contexts=tuple(found), pooled=pooled, strengths=best[0], doubts=best[1]
    )


def _fits(
    counts: NDArray[np.int64],
    pooled: NDArray[np.float64],
    apart: NDArray[np.float64],
    beside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the log likelihood of every doubt and strength, for the rows of one cell.

    Counts of a context follow a Dirichlet-multinomial distribution (type II maximum likelihood,
    Good 1965). All arrays have shape (C, K + 1), or one that broadcasts; the result is flat, as
    `_at` reads it.
    """
    n = counts.sum(axis=1)
    found = []
    for doubt in _DOUBTS:
        mean = _moved(pooled, _believed(beside, doubt) * apart)
        for strength in _STRENGTHS:
            shape = strength * mean
            rows = (gammaln(counts + shape) - gammaln(shape)).sum(axis=1)
            found.append((rows + gammaln(strength) - gammaln(n + strength)).sum())
    return np.array(found)


def _at(number: int | NDArray[np.int64]) -> tuple[Any, Any]:
    """Return the strength and the doubt of a number among all their pairs."""
    doubt, strength = np.divmod(number, len(_STRENGTHS))
    return _STRENGTHS[strength], _DOUBTS[doubt]


def _believed(labels: NDArray[np.float64], doubt: Any) -> NDArray[np.float64]:
    """Return n / (n + d), and 0 without labels."""
    return np.asarray(labels / np.maximum(labels + doubt, 1e-9))


def _departures(
    counts: NDArray[Any], pooled: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the rows beside each row depart from the pool, and their labels.

    For counts of shape (..., K, K + 1) the shapes are that and (..., K, 1).
    """
    n = counts.sum(axis=-1, keepdims=True)
    excess = counts - n * pooled
    others = excess.sum(axis=-2, keepdims=True) - excess
    beside = n.sum(axis=-2, keepdims=True) - n
    return others / np.maximum(beside, 1), beside.astype(np.float64)


def _moved(pooled: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distributions moved by departures, each share bounded below; rows of 0 stay."""
    return _over_sum(np.where(pooled > 0, np.maximum(pooled + by, _LEAST * pooled), 0))


def _over_sum(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares that sum to 1 along the last axis; zeros stay."""
    return np.asarray(shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-300))


def _check_requested(counts: NDArray[np.int64], targets: Sequence[Target]) -> None:
    grid = targets[0].grid
    size = grid.size
    if counts.ndim != 3 or counts.shape[1:] != (size, size + 1) or not len(counts):
        raise InputError(
            "counts",
            f"must have shape (contexts, {size}, {size + 1})",
            counts.shape,
            "Count them by count_by_context.",
        )
    if counts.min() < 0:
        raise InputError("counts", "must be at least 0", int(counts.min()), "Correct them.")
    known = counts[:, :, :-1].sum(axis=(0, 2))
    for k in np.flatnonzero(np.any([target.shares > 0 for target in targets], axis=0)):
        if not known[k]:
            raise InsufficientLabelsError(
                f"cell {grid.cells[k]!r}",
                "must be requested in some context and give a known image there",
                f"none of {int(counts.sum()):,} images",
                "Label images of its variant.",
            )

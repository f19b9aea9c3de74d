"""False non-matches between photographs of one person, which the user brings.

Small moves of a code would be pairs too, but nothing in a generator says that they keep the person:
what a model makes of them says as much of the generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.labelled_photographs import People
from equipoise.audit.verification.descriptors import Descriptors
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError
from equipoise.stats.pairs import clustered_rate
from equipoise.stats.shares import Share

_MOST_OF_ONE = 2000
"""Photographs of one person at most, chosen by hand: two million pairs."""


@dataclass(frozen=True, eq=False)
class Genuine:
    """Photographs of people with their descriptors.

    Attributes
    ----------
    people : People
    descriptors : Descriptors
        Of their images, in their order.
    """

    people: People
    descriptors: Descriptors


def false_non_matches(
    genuine: Genuine, by: AttributeGrid, threshold: float
) -> tuple[Share, tuple[Share, ...]]:
    """Return the rate at which pairs of photographs of one person do not match.

    Pairs of which one photograph has no descriptor are left out. Intervals allow for the pairs of a
    person being alike.

    Parameters
    ----------
    genuine : Genuine
    by : AttributeGrid
        Attributes to group by, as `AuditImages.restricted`.
    threshold : float
        Cosine similarity from which on two faces match.

    Returns
    -------
    overall : Share
        Among all pairs.
    rates : tuple of Share
        Among the pairs whose photographs are both of a cell.

    Raises
    ------
    InputError
        When nobody is on two photographs that have a descriptor, or someone on too many.
    """
    found = genuine.descriptors.found
    person, vectors = genuine.people.person[found], genuine.descriptors.vectors[found]
    cell = by.cell_of(genuine.people.images.restricted(by.names)[1])[found]
    order = np.argsort(person, kind="stable")
    starts = np.flatnonzero(np.diff(person[order], prepend=-1))
    parts = [rows for rows in np.split(order, starts[1:]) if len(rows) > 1]
    most = max(map(len, parts), default=0)
    if not 2 <= most <= _MOST_OF_ONE:
        raise InputError(
            "genuine",
            f"must have people on 2 to {_MOST_OF_ONE:,} photographs with a descriptor",
            most or "nobody on two",
            "Name each person alike on all photographs, and leave out some of who is on too many.",
        )
    counts = np.zeros((2, len(parts), by.size + 1), np.int64)
    for k, rows in enumerate(parts):
        counts[:, k] = _of_person(vectors[rows], cell[rows], threshold, by.size)
    misses, pairs = counts
    overall = clustered_rate("all pairs of one person", misses[:, -1], pairs[:, -1])
    cells = enumerate(by.cells)
    return overall, tuple(clustered_rate(name, misses[:, k], pairs[:, k]) for k, name in cells)


def _of_person(
    vectors: NDArray[np.float32], cell: NDArray[np.int64], threshold: float, cells: int
) -> NDArray[np.int64]:
    """Return misses and pairs within each cell and in all, shape (2, cells + 1)."""
    first, second = np.triu_indices(len(vectors), 1)
    missed = (vectors @ vectors.T)[first, second] < threshold
    within = np.where(cell[first] == cell[second], cell[first], cells)
    pairs = np.bincount(within, minlength=cells + 1)
    misses = np.bincount(within[missed], minlength=cells + 1)
    pairs[-1], misses[-1] = len(missed), missed.sum()
    return np.stack([misses, pairs])

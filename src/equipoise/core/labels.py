"""Labels of images: levels, probabilities and scores, as arrays or as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, AttributeGrid
from equipoise.core.frames import Tabular, cell_column


@dataclass(frozen=True, eq=False)
class Labels(Tabular):
    """The predictions of classifiers on n images.

    Attributes
    ----------
    grid : AttributeGrid
        The A attributes.
    levels : numpy.ndarray, shape (n, A), int8
        Level numbers; -1 (`UNKNOWN`) where the classifier abstained.
    probabilities : tuple of numpy.ndarray, each shape (n, L_a), float32
        For each attribute the probabilities of its L_a levels, in [0, 1].
    scores : numpy.ndarray, shape (n, A), float32
        A number that increases with the level, in units of its classifier: a probability, an age in
        years, an angle in degrees. NaN when an attribute has none.
    """

    grid: AttributeGrid
    levels: NDArray[np.int8]
    probabilities: tuple[NDArray[np.float32], ...]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.levels)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Cell of each image, shape (n,), int64; -1 where any level is unknown."""
        return self.grid.cell_of(self.levels)

    def table(self) -> pa.Table:
        """Return a row for each image: `cell`, by name, and the columns of `to_columns`."""
        return pa.table({"cell": cell_column(self.grid, self.cells), **to_columns(self)})

    def restricted(self, grid: AttributeGrid) -> Labels:
        """Return the labels of the attributes of `grid`, in its order.

        Raises
        ------
        InputError
            When an attribute is missing from these labels.
        """
        columns = [self.grid.attribute(name) for name in grid.names]
        probabilities = tuple(self.probabilities[a] for a in columns)
        return Labels(grid, self.levels[:, columns], probabilities, self.scores[:, columns])

    def take(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Labels:
        """Return the labels of some rows."""
        return Labels(
            self.grid,
            self.levels[rows],
            tuple(p[rows] for p in self.probabilities),
            self.scores[rows],
        )


@dataclass(frozen=True, eq=False)
class LabelledCodes:
    """Codes with the labels of their images, and weights that make them represent the prior.

    Attributes
    ----------
    codes : numpy.ndarray, shape (n, dim), float32
    labels : Labels
    weights : numpy.ndarray, shape (n,), float64
        Importance weights, at least 0: the density of the prior divided by that of the source of
        the code, up to a common factor. Weighted means estimate means over the prior.
    """

    codes: NDArray[np.float32]
    labels: Labels
    weights: NDArray[np.float64]

    @classmethod
    def of_prior(cls, codes: NDArray[np.float32], labels: Labels) -> LabelledCodes:
        """Return codes that were drawn from the prior, all with weight 1."""
        return cls(codes, labels, np.ones(len(codes)))

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether the cell of each code is known, shape (n,), bool."""
        return np.asarray(self.labels.cells != UNKNOWN)

    def shares(self) -> NDArray[np.float64]:
        """Return the estimated shares of the cells among known images of the prior.

        Returns
        -------
        numpy.ndarray, shape (K,), float64
            They sum to 1.
        """
        cells = self.labels.cells[self.known]
        mass = np.bincount(cells, self.weights[self.known], self.labels.grid.size)
        return np.asarray(mass / mass.sum())

    def effective(self) -> NDArray[np.float64]:
        """Return the effective number of codes of each cell (Kish 1965).

        (sum of weights) squared over the sum of squared weights: the number of codes of the prior
        with the same information.
        """
        cells, weights = self.labels.cells[self.known], self.weights[self.known]
        size = self.labels.grid.size
        squares = np.bincount(cells, weights**2, size)
        return np.asarray(np.bincount(cells, weights, size) ** 2 / np.maximum(squares, 1e-300))


def concatenate(parts: Sequence[Labels]) -> Labels:
    """Return the rows of several labels of the same attributes together, in order."""
    return Labels(
        parts[0].grid,
        np.concatenate([part.levels for part in parts]),
        tuple(np.concatenate(p) for p in zip(*(part.probabilities for part in parts), strict=True)),
        np.concatenate([part.scores for part in parts]),
    )


def certain_labels(grid: AttributeGrid, levels: NDArray[np.int8]) -> Labels:
    """Return labels of levels alone, shape (n, A): probability 1 for each, and no scores."""
    sure = tuple(
        np.eye(len(one.levels) + 1, len(one.levels), dtype=np.float32)[levels[:, a]]
        for a, one in enumerate(grid.attributes)
    )
    return Labels(grid, levels, sure, np.full(levels.shape, np.nan, np.float32))


def to_columns(labels: Labels) -> dict[str, pa.Array]:
    """Return labels as the columns of a table.

    An attribute called NAME has the columns `NAME`, the name of its level or "unknown"; for each
    level `NAME.p.LEVEL`, its probability; and `NAME.score`.
    """
    columns: dict[str, pa.Array] = {}
    for a, attribute in enumerate(labels.grid.attributes):
        names = pa.array([*attribute.levels, UNKNOWN_NAME])
        numbers = np.where(
            labels.levels[:, a] == UNKNOWN, len(attribute.levels), labels.levels[:, a]
        )
        columns[attribute.name] = pa.DictionaryArray.from_arrays(numbers.astype(np.int8), names)
        for level, name in enumerate(attribute.levels):
            values = np.ascontiguousarray(labels.probabilities[a][:, level])
            columns[f"{attribute.name}.p.{name}"] = pa.array(values)
        columns[f"{attribute.name}.score"] = pa.array(np.ascontiguousarray(labels.scores[:, a]))
    return columns


def from_table(table: pa.Table, grid: AttributeGrid) -> Labels:
    """Return the labels in a table that has the columns of `to_columns`.

    Raises
    ------
    KeyError
        When a column is missing.
    """
    levels, scores, probabilities = [], [], []
    for attribute in grid.attributes:
        numbers = {name: i for i, name in enumerate(attribute.levels)}
        column = table[attribute.name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        order = np.array(
            [numbers.get(name, UNKNOWN) for name in column.dictionary.to_pylist()], np.int8
        )
        levels.append(order[column.indices.to_numpy(zero_copy_only=False)])
        probabilities.append(
            np.stack(
                [table[f"{attribute.name}.p.{name}"].to_numpy() for name in attribute.levels], 1
            )
        )
        scores.append(table[f"{attribute.name}.score"].to_numpy())
    return Labels(grid, np.stack(levels, 1), tuple(probabilities), np.stack(scores, 1))

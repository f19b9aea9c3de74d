"""How often a classifier's answers were right: judged images by true level and by answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME
from equipoise.core.errors import InputError


@dataclass(frozen=True, eq=False, kw_only=True)
class ErrorMatrix:
    """Judged images by true level (rows) and by the classifier's answer (columns).

    An answer is often a level, or the abstention. It may be finer: the answers on several
    attributes at once, where one attribute is corrected. That is how a sample that was drawn by
    cell keeps its meaning.

    Attributes
    ----------
    levels : tuple of str
        The K true levels, or cells.
    answers : tuple of str
        The A possible answers of the classifier.
    meant : numpy.ndarray, shape (A,), int64
        The level that each answer means; -1 (`UNKNOWN`) for an abstention.
    counts : numpy.ndarray, shape (K, A), int64
        Judged images, at least 0.

    Raises
    ------
    InputError
        When shapes differ, a count is negative or no whole number, or a meaning is no level.
    """

    levels: tuple[str, ...]
    answers: tuple[str, ...]
    meant: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        shape = (len(self.levels), len(self.answers))
        if not all(shape) or self.counts.shape != shape or self.meant.shape != shape[1:]:
            raise InputError(
                "error matrix",
                f"must have one row a level and one column an answer, {shape}",
                f"shape {self.counts.shape}, meanings of shape {self.meant.shape}",
                "Give rows of true levels and columns of answers.",
            )
        check_counts("error matrix", self.counts)
        if ((self.meant < UNKNOWN) | (self.meant >= len(self.levels))).any():
            raise InputError(
                "meaning of an answer",
                f"must be in -1..{len(self.levels) - 1}",
                self.meant.tolist(),
                "Number the levels from 0; -1 is unknown.",
            )

    @classmethod
    def of_levels(cls, levels: Sequence[str], counts: ArrayLike) -> ErrorMatrix:
        """Take answers that are the levels themselves.

        Parameters
        ----------
        levels : sequence of str
            K names.
        counts : array_like of int, shape (K, K) or (K, K + 1)
            Rows true, columns answered; a last column K + 1 is the abstentions.

        Raises
        ------
        InputError
            When the shape is another.

        Examples
        --------
        >>> errors = ErrorMatrix.of_levels(("no", "yes"), [[95, 8], [5, 92]])
        >>> errors.answers, int(errors.judged[0])
        (('no', 'yes'), 100)
        """
        table, size = np.asarray(counts), len(levels)
        if table.shape not in ((size, size), (size, size + 1)):
            raise InputError(
                "error matrix",
                f"must have shape {(size, size)}, or {(size, size + 1)} with abstentions",
                table.shape,
                "Give one row and one column a level.",
            )
        more = table.shape[1] - size
        meant = np.array([*range(size), *[UNKNOWN] * more])
        check_counts("error matrix", table)
        names = (*levels, *[UNKNOWN_NAME] * more)
        return cls(levels=tuple(levels), answers=names, meant=meant, counts=table.astype(np.int64))

    @property
    def judged(self) -> NDArray[np.int64]:
        """Judged images of each answer, shape (A,)."""
        return np.asarray(self.counts.sum(axis=0))

    def by_meaning(self) -> NDArray[np.int64]:
        """Sum answers of one meaning, shape (K, K + 1); the last column is the abstentions."""
        size = len(self.levels)
        table = np.zeros((size, size + 1), np.int64)
        np.add.at(table.T, np.where(self.meant == UNKNOWN, size, self.meant), self.counts.T)
        return table


def check_counts(argument: str, counts: NDArray[np.generic]) -> None:
    """Check that counts are whole numbers of at least 0.

    Raises
    ------
    InputError
        Otherwise, naming `argument`.
    """
    values = np.asarray(counts)
    whole = values.dtype.kind in "iuf" and np.isfinite(values).all() and (values % 1 == 0).all()
    if not whole or (values < 0).any():
        raise InputError(
            f"counts of the {argument}",
            "must be whole numbers of at least 0",
            values.tolist(),
            "Count images.",
        )

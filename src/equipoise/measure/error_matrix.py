"""How often a classifier's answers were right: judged images by true level and by answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, chi2_contingency

from equipoise.core.attributes import UNKNOWN, UNKNOWN_NAME, AttributeGrid
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
    tied : numpy.ndarray, shape (A,), int64, or None
        Judged images whose raters did not agree on a level; they are in no row. None for none.
    doubt : numpy.ndarray, shape (A,), float64, or None
        Bound of the share of judged images in a wrong row, of each answer. None where that is not
        known, and taken for 0: the labels of a single rater count as the truth.
    dependence : float or None
        P-value that errors on each true level do not depend on other attributes. None where that
        was not tested.

    Raises
    ------
    InputError
        When shapes differ, a count is negative or no whole number, or a meaning is no level.
    """

    levels: tuple[str, ...]
    answers: tuple[str, ...]
    meant: NDArray[np.int64]
    counts: NDArray[np.int64]
    tied: NDArray[np.int64] | None = None
    doubt: NDArray[np.float64] | None = None
    dependence: float | None = None

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

    @classmethod
    def of_attribute(
        cls,
        grid: AttributeGrid,
        name: str,
        truth: NDArray[np.integer],
        answers: NDArray[np.integer],
    ) -> ErrorMatrix:
        """Take one attribute of images that were judged on several, and test what it hides.

        A classifier that errs more on smiles of dark faces has another error matrix wherever the
        share of dark faces is another. Where `dependence` is small, use the matrix of the cells
        instead: `ErrorMatrix.of_levels(grid.cells, ...)`.

        Parameters
        ----------
        grid : AttributeGrid
        name : str
            Of the attribute.
        truth, answers : numpy.ndarray, shape (m, A), int
            Levels of all attributes; -1 for an abstention.
        """
        a = grid.attribute(name)
        levels = grid.attributes[a].levels
        size = len(levels)
        said = np.where(answers[:, a] == UNKNOWN, size, answers[:, a])
        known = truth[:, a] != UNKNOWN
        counts = np.zeros((size, size + 1), np.int64)
        np.add.at(counts, (truth[known, a], said[known]), 1)
        p_values = [
            independence_p_value(truth[:, a], said, truth[:, b])
            for b in range(len(grid.attributes))
            if b != a
        ]
        found = cls.of_levels(tuple(f"{name}={level}" for level in levels), counts)
        least = min(min(p_values) * len(p_values), 1.0) if p_values else None
        return replace(found, dependence=least)

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


def independence_p_value(
    truth: NDArray[np.integer], answers: NDArray[np.integer], other: NDArray[np.integer]
) -> float:
    """Return the p-value that answers do not depend on another attribute, given the true level.

    The likelihood-ratio statistics of the true levels are added (Agresti 2013, section 3.2.3).
    Images of an unknown level are left out; 1 where nothing can be compared.
    """
    statistic, freedom = 0.0, 0
    for level in np.unique(truth[truth != UNKNOWN]):
        rows = (truth == level) & (other != UNKNOWN)
        table = np.zeros((int(answers.max()) + 1, int(other.max()) + 1))
        np.add.at(table, (answers[rows], other[rows]), 1)
        table = table[table.any(axis=1)][:, table.any(axis=0)]
        if min(table.shape, default=0) > 1:
            found = chi2_contingency(table, correction=False, lambda_="log-likelihood")
            statistic, freedom = statistic + found.statistic, freedom + found.dof
    return float(chi2.sf(statistic, freedom)) if freedom else 1.0


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

"""From a network's output to answers on an attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from equipoise.classifiers.base import Reading, by_probability, by_threshold
from equipoise.errors import ModelOutputError
from equipoise.groups import UNKNOWN, Attribute

ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True)
class OutputReading:
    """How one attribute is read from an output of shape (n, columns).

    Attributes
    ----------
    attribute : Attribute
    output : int or str
        Number or name of the output.
    columns : tuple of int
        Those that count, in order; all where it is empty.
    activation : str
        One of `ACTIVATIONS`; taken over the columns that count.
    levels : tuple of int
        The level of each column that counts, `UNKNOWN` for one that means abstention. Columns of
        one level add up. One column for two levels is the probability of the last.
    thresholds : tuple of float
        That cut the one column into levels; empty where columns are levels.
    """

    attribute: Attribute
    output: int | str = 0
    columns: tuple[int, ...] = ()
    activation: str = "none"
    levels: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()

    @property
    def single(self) -> bool:
        """Whether one column tells the level."""
        return bool(self.thresholds) or len(self.levels) == 1


def read_output(output: NDArray[Any], wanted: OutputReading) -> Reading:
    """Return the answers on one attribute.

    Parameters
    ----------
    output : numpy.ndarray, shape (n, columns)

    Raises
    ------
    ModelOutputError
        When there are fewer columns than the description counts, or more where it names none.

    Examples
    --------
    >>> smiling = OutputReading(Attribute("smiling", ("no", "yes")), activation="softmax",
    ...                         levels=(0, 1))
    >>> read_output(np.array([[3.0, 0.0], [0.0, 1.0]]), smiling).levels.tolist()
    [0, 1]
    """
    values = _activated(_counted(output, wanted), wanted.activation)
    if wanted.thresholds:
        return by_threshold(values[:, 0].astype(np.float32), wanted.thresholds)
    if wanted.single:
        return by_probability(np.concatenate([1 - values, values], axis=1).astype(np.float32))
    if wanted.activation == "sigmoid":
        values = values / values.sum(axis=1, keepdims=True)
    of_column = np.array(wanted.levels)
    shares = np.stack(
        [values[:, of_column == k].sum(axis=1) for k in range(len(wanted.attribute.levels))], axis=1
    )
    unknown = values[:, of_column == UNKNOWN].sum(axis=1)
    abstains = unknown > shares.max(axis=1)
    if (of_column == UNKNOWN).any():
        total = shares.sum(axis=1, keepdims=True)
        even = 1 / shares.shape[1]
        shares = np.divide(shares, total, out=np.full_like(shares, even), where=total != 0)
    ordered = wanted.attribute.ordered and shares.shape[1] > 2
    found = by_probability(
        shares.astype(np.float32), shares.argmax(axis=1).astype(np.float32) if ordered else None
    )
    levels = np.where(abstains, np.int8(UNKNOWN), found.levels)
    return Reading(levels, found.probabilities, found.scores)


def _counted(output: NDArray[Any], wanted: OutputReading) -> NDArray[np.float64]:
    """Return the columns that count, shape (n, columns), float64."""
    values = np.asarray(output, np.float64).reshape(len(output), -1)
    needed = 1 if wanted.single else len(wanted.levels)
    given = values.shape[1]
    if wanted.columns and max(wanted.columns) < given:
        return values[:, wanted.columns]
    if wanted.columns or given != needed:
        rule = f"columns to {max(wanted.columns)}" if wanted.columns else f"{needed} columns"
        raise ModelOutputError(
            f"output {wanted.output!r} for {wanted.attribute.name!r}",
            f"must have {rule}, one for each label",
            given,
            "Correct levels, labels or columns; docs/classifiers.md tells how.",
        )
    return values


def _activated(values: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    if activation == "softmax":
        return np.asarray(softmax(values, axis=1))
    if activation == "sigmoid":
        return np.asarray(expit(values))
    return values

"""Attributes, their levels, and the cells of their product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.errors import InputError

UNKNOWN = -1
"""Number of the level, and of the cell, of an image on which a classifier abstained."""

UNKNOWN_NAME = "unknown"
"""Name of that level in tables and in answers of models."""

RESERVED = (
    *("file_name", "seed", "index", "requested", "achieved", "weight"),  # metadata of drawn images
    *("image", "images", "__key__", "__url__"),  # what their readers add
    *("digital_source_type", "generator", "generator_digest"),  # arrays of an npz file
    *("source", "stratum", "share"),  # tables for raters, and of targets
    "context",  # tables of labels by context
)
"""Columns of tables beside those of attributes, which no attribute may be called, in any case."""


@dataclass(frozen=True)
class Attribute:
    """An attribute and its levels.

    Parameters
    ----------
    name : str
        For example "smiling".
    levels : tuple of str
        At least two different names, for example ("no", "yes").
    ordered : bool
        Whether the levels have an order, as dark < medium < light.

    Raises
    ------
    InputError
        When there are fewer than two different levels, a name is empty or contains one of
        ``=,;:|@``, a character that cannot be printed or outer spaces, the attribute is called as
        another column of a table (`RESERVED`, "..._file_name", "....p....", "....score"), or a
        level is called "unknown".
    """

    name: str
    levels: tuple[str, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        names = {self.name, *self.levels}
        if len(self.levels) < 2 or len(set(self.levels)) != len(self.levels):
            raise InputError(
                f"levels of attribute {self.name!r}",
                "must be at least two different names",
                self.levels,
                "List each value of the attribute once.",
            )
        for name in names:
            bad = set(name) & set("=,;:|@") or not name.isprintable()
            if not name or bad or name != name.strip():
                raise InputError(
                    f"name {name!r} in attribute {self.name!r}",
                    "must be a printable word without '=,;:|@' or outer spaces",
                    name,
                    "Rename it, for example with an underscore.",
                )
        low = self.name.lower()
        if low in RESERVED or low.endswith(("_file_name", ".score")) or ".p." in low:
            raise InputError(
                "name of an attribute",
                f"must not be that of another column of a table: {', '.join(RESERVED)}, "
                "..._file_name, ....score, ....p....",
                self.name,
                "Rename it.",
            )
        if UNKNOWN_NAME in self.levels:
            raise InputError(
                f"levels of attribute {self.name!r}",
                "must not hold 'unknown', which stands for abstention",
                self.levels,
                "Rename that level, for example 'other'.",
            )

    def level(self, name: str) -> int:
        """Return the number of the level called `name`.

        Raises
        ------
        InputError
            When the attribute has no such level.
        """
        if name not in self.levels:
            raise InputError(
                f"level of attribute {self.name!r}",
                f"must be one of {', '.join(self.levels)}",
                name,
                "Correct the name.",
            )
        return self.levels.index(name)


@dataclass(frozen=True)
class AttributeGrid:
    """Some attributes, and the cells that their levels form. The last attribute varies fastest.

    Parameters
    ----------
    attributes : tuple of Attribute
        At least one, with different names.

    Raises
    ------
    InputError
        When there is none, or a name is repeated.

    Examples
    --------
    >>> grid = AttributeGrid(
    ...     (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    ... )
    >>> grid.size, grid.cells[1]
    (4, 'smiling=no, tone=light')
    >>> grid.index("tone=light, smiling=no")
    1
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not names or len(set(names)) != len(names):
            raise InputError(
                "attributes",
                "must be at least one, each named once",
                ", ".join(names) or "none",
                "Pass, for example, --attributes smiling,skin_tone.",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes, in order."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each attribute."""
        return tuple(len(attribute.levels) for attribute in self.attributes)

    @property
    def size(self) -> int:
        """Number K of cells."""
        return int(np.prod(self.shape))

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Names of the K cells: "smiling=yes, skin_tone=dark"."""
        return tuple(
            ", ".join(f"{a.name}={level}" for a, level in zip(self.attributes, levels, strict=True))
            for levels in product(*(a.levels for a in self.attributes))
        )

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """Number of the level of each attribute in each cell, shape (K, A), int64."""
        return np.stack(np.unravel_index(np.arange(self.size), self.shape), axis=1)

    def attribute(self, name: str) -> int:
        """Return the position of the attribute called `name`.

        Raises
        ------
        InputError
            When there is no such attribute.
        """
        if name not in self.names:
            raise InputError(
                "attribute", f"must be one of {', '.join(self.names)}", name, "Correct the name."
            )
        return self.names.index(name)

    def index(self, cell: str) -> int:
        """Return the number of a cell written as "attribute=level, ...", in any order.

        Raises
        ------
        InputError
            When an attribute or a level is unknown, missing, or named twice.
        """
        pairs = [tuple(part.strip() for part in item.split("=")) for item in cell.split(",")]
        if any(len(pair) != 2 for pair in pairs) or sorted(p[0] for p in pairs) != sorted(
            self.names
        ):
            raise InputError(
                "cell",
                f"must name each of {', '.join(self.names)} once, as attribute=level",
                cell,
                f"Write it as in {self.cells[0]!r}.",
            )
        wanted: dict[str, str] = {name: level for name, level in pairs}
        levels = [a.level(wanted[a.name]) for a in self.attributes]
        return int(np.ravel_multi_index(levels, self.shape))

    def cell_of(self, levels: ArrayLike) -> NDArray[np.int64]:
        """Return the cell of each row of levels.

        Parameters
        ----------
        levels : array_like of int, shape (n, A)
            Level numbers; `UNKNOWN` (-1) where a classifier abstained.

        Returns
        -------
        numpy.ndarray, shape (n,), int64
            Numbers of cells in [0, K); `UNKNOWN` (-1) where any level is unknown.
        """
        rows = np.asarray(levels, dtype=np.int64).reshape(-1, len(self.attributes))
        known = (rows >= 0).all(axis=1)
        cells = np.full(len(rows), UNKNOWN, dtype=np.int64)
        cells[known] = np.ravel_multi_index(tuple(rows[known].T), self.shape)
        return cells

    def marginal(self, shares: ArrayLike, attribute: str) -> NDArray[np.float64]:
        """Return the sums of cells' shares, or counts, over the levels of one attribute.

        Parameters
        ----------
        shares : array_like of float, shape (K,)
        attribute : str

        Returns
        -------
        numpy.ndarray, shape (L,), float64

        Raises
        ------
        InputError
            When there is no such attribute.

        Examples
        --------
        >>> grid = AttributeGrid(
        ...     (Attribute("a", ("x", "y")), Attribute("b", ("u", "v")))
        ... )
        >>> grid.marginal([0.1, 0.2, 0.3, 0.4], "b").round(3).tolist()
        [0.4, 0.6]
        """
        table = np.asarray(shares, dtype=np.float64).reshape(self.shape)
        axis = self.attribute(attribute)
        others: Sequence[int] = [i for i in range(table.ndim) if i != axis]
        return np.asarray(table.sum(axis=tuple(others)))

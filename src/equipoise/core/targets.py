"""Targets: the wanted distribution over the cells.

`parse_target` reads a target from text, on the command line and in settings files alike:

- ``uniform``
- a path that ends in ``.csv`` (columns: the attributes and ``share``) or ``.json`` (an object
  from cell to share)
- ``marginals: smiling=yes:3,no:1; skin_tone=dark:1,medium:1,light:2`` (the product of the given
  marginals; an attribute that is not named is uniform)
- ``cells: smiling=yes, tone=dark: 3; smiling=no, tone=dark: 1`` (a table; cells that are not named
  have the share 0)
- ``conditional: gender | age`` (gender is uniform within each age; ages are as in the prior)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.files import read_json
from equipoise.core.tables import read_rows

_LARGEST_TABLE = 4 * 2**20
"""Bytes of a table of shares, chosen by hand: some 50,000 cells."""


@dataclass(frozen=True, eq=False)
class Target:
    """A distribution over the cells of `grid`.

    Parameters
    ----------
    grid : AttributeGrid
        The cells.
    shares : numpy.ndarray, shape (K,), float64
        At least 0, with a positive sum. They are scaled to sum to 1.
    text : str
        The target as the user wrote it, for reports.

    Raises
    ------
    InputError
        When there are not K shares, one is negative or not finite, or all are 0.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute
    >>> grid = AttributeGrid((Attribute("smiling", ("no", "yes")),))
    >>> Target.table(grid, {"smiling=yes": 3, "smiling=no": 1}).shares.tolist()
    [0.25, 0.75]
    """

    grid: AttributeGrid
    shares: NDArray[np.float64]
    text: str = "table"

    def __post_init__(self) -> None:
        shares = np.array(self.shares, dtype=np.float64)
        if shares.shape != (self.grid.size,):
            raise InputError(
                "target",
                f"must have {self.grid.size} shares",
                shares.shape,
                "Give one share per cell.",
            )
        for cell, share in zip(self.grid.cells, shares, strict=True):
            if not np.isfinite(share) or share < 0:
                raise InputError(
                    f"target share of cell {cell!r}",
                    "must be a finite number of at least 0",
                    float(share),
                    "Correct that share.",
                )
        if shares.max() <= 0:
            raise InputError(
                "target", "must give some cell a positive share", shares.tolist(), "Raise one."
            )
        shares /= shares.max()
        shares /= shares.sum()
        shares.setflags(write=False)
        object.__setattr__(self, "shares", shares)

    def equals(self, other: Target) -> bool:
        """Return whether the shares of both are the same up to rounding."""
        return bool(np.allclose(self.shares, other.shares, atol=1e-9))

    @classmethod
    def uniform(cls, grid: AttributeGrid) -> Target:
        """Return the target in which every cell has the share 1/K."""
        return cls(grid, np.full(grid.size, 1 / grid.size), "uniform")

    @classmethod
    def table(cls, grid: AttributeGrid, table: Mapping[str, Any], text: str = "table") -> Target:
        """Return the target of a table from cell to share.

        Parameters
        ----------
        grid : AttributeGrid
        table : mapping of str to number
            Must contain every cell, also those with share 0. Attributes may be in any order.
        text : str

        Raises
        ------
        InputError
            When a cell is unknown, missing or given twice, or a share breaks its rule; the error
            names the cell.
        """
        shares = np.full(grid.size, np.nan)
        for cell, share in table.items():
            k = grid.index(cell)
            if not np.isnan(shares[k]):
                raise InputError(
                    f"target share of cell {grid.cells[k]!r}",
                    "must be given once",
                    "it twice",
                    "Remove one of the two entries.",
                )
            try:
                shares[k] = np.nan if isinstance(share, bool) else float(share)
            except (TypeError, ValueError, OverflowError):
                shares[k] = np.nan
            if np.isnan(shares[k]):
                raise InputError(
                    f"target share of cell {grid.cells[k]!r}",
                    "must be a finite number of at least 0",
                    share,
                    "Write it with a decimal point and no sign of per cent, as 0.25 or 25.",
                )
        missing = [grid.cells[k] for k in np.flatnonzero(np.isnan(shares))]
        if missing:
            raise InputError(
                "target table",
                "must give every cell a share, zero included",
                f"none for {missing[0]!r}"
                + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
                "Add the cell with its share.",
            )
        return cls(grid, shares, text)

    @classmethod
    def marginals(
        cls,
        grid: AttributeGrid,
        marginals: Mapping[str, Mapping[str, Any]],
        text: str = "marginals",
    ) -> Target:
        """Return the product of marginals. An attribute that is not named is uniform.

        Parameters
        ----------
        grid : AttributeGrid
        marginals : mapping of str to mapping of str to float
            For each attribute the shares of all its levels.
        text : str

        Raises
        ------
        InputError
            When an attribute or a level is unknown, a level is missing, or a share breaks its rule.
        """
        for name in marginals:
            grid.attribute(name)
        shares = np.ones(())
        for attribute in grid.attributes:
            one = cls.table(
                AttributeGrid((attribute,)),
                {
                    f"{attribute.name}={level}": share
                    for level, share in marginals.get(
                        attribute.name, dict.fromkeys(attribute.levels, 1.0)
                    ).items()
                },
            )
            shares = np.multiply.outer(shares, one.shares)
        return cls(grid, shares.ravel(), text)

    @classmethod
    def conditional(
        cls,
        grid: AttributeGrid,
        balanced: str,
        within: str,
        prior: ArrayLike,
        text: str = "conditional",
    ) -> Target:
        """Return the target in which one attribute is uniform within each level of another.

        The marginal of `within`, and the distribution of further attributes given `within`, are
        those of the prior.

        Parameters
        ----------
        grid : AttributeGrid
        balanced, within : str
            Two different attributes.
        prior : array_like of float, shape (K,)
            Shares of the cells in images of the prior.
        text : str

        Raises
        ------
        InputError
            When the two attributes are the same, or one is unknown.
        """
        if balanced == within:
            raise InputError(
                "conditional target",
                "must name two different attributes",
                f"{balanced} | {within}",
                "Write it as in 'conditional: gender | age'.",
            )
        axis = grid.attribute(balanced)
        grid.attribute(within)
        table = np.asarray(prior, dtype=np.float64).reshape(grid.shape)
        rest = table.sum(axis=axis, keepdims=True) / grid.shape[axis]
        return cls(grid, np.broadcast_to(rest, grid.shape).ravel(), text)


def _read_table(path: Path, grid: AttributeGrid) -> dict[str, Any]:
    what, limit = "target file", _LARGEST_TABLE
    if path.suffix == ".json":
        remedy = "Write a JSON object from each cell to its share."
        return read_json(path, remedy, what=what, limit=limit, strict=True, error=InputError)
    shares: dict[str, str] = {}
    for _, row in read_rows(path, (*grid.names, "share"), what=what, limit=limit):
        cell = ", ".join(f"{name}={row[name].strip()}" for name in grid.names)
        if cell in shares:
            raise InputError(
                f"target share of cell {cell!r}",
                "must be given once",
                "it twice",
                "Remove one row.",
            )
        shares[cell] = row["share"]
    return shares


def _parse_cells(text: str, grid: AttributeGrid, written: str) -> dict[str, Any]:
    pairs = [part.rpartition(":") for part in filter(str.strip, text.split(";"))]
    named = {grid.index(cell) for cell, _, _ in pairs}
    if not named or len(named) < len(pairs):
        raise InputError(
            "target",
            "must give cells as attribute=level, attribute=level: share; ..., each once",
            written,
            f"Write it as in 'cells: {grid.cells[0]}: 3; {grid.cells[-1]}: 1'.",
        )
    others = {cell: 0.0 for k, cell in enumerate(grid.cells) if k not in named}
    return {cell: share for cell, _, share in pairs} | others


def _parse_marginals(text: str, written: str) -> dict[str, dict[str, float]]:
    marginals: dict[str, dict[str, float]] = {}
    for part in filter(str.strip, text.split(";")):
        name, _, levels = (piece.strip() for piece in part.partition("="))
        try:
            pairs = [item.split(":") for item in levels.split(",")]
            found = [(level.strip(), float(share)) for level, share in pairs]
            if name in marginals or len(dict(found)) < len(found):
                raise ValueError(f"{name} or a level of it twice")
            marginals[name] = dict(found)
        except ValueError as error:
            raise InputError(
                "target",
                "must give marginals as attribute=level:share,level:share; ...",
                written,
                "Write it as in 'marginals: smiling=yes:3,no:1'.",
            ) from error
    return marginals


@dataclass(frozen=True)
class TargetSpec:
    """A parsed target, before the shares of the prior are known.

    Attributes
    ----------
    text : str
        The target as the user wrote it.
    needs_prior : bool
        Whether it depends on the shares of the prior.
    resolve : callable
        `resolve(shares)` returns the `Target`, given the shares of the prior, shape (K,), or None.
        Raises `InputError` when they are needed and None.
    """

    text: str
    needs_prior: bool
    resolve: Callable[[ArrayLike | None], Target]


def parse_target(text: str, grid: AttributeGrid) -> TargetSpec:
    """Parse a target. The docstring of the module has the grammar.

    Parameters
    ----------
    text : str
        The target as a user writes it.
    grid : AttributeGrid
        The cells.

    Raises
    ------
    InputError
        When the text or the file breaks a rule. An error about a share names its cell.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute
    >>> grid = AttributeGrid(
    ...     (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    ... )
    >>> parse_target("marginals: smiling=yes:3,no:1", grid).resolve(None).shares.tolist()
    [0.125, 0.125, 0.375, 0.375]
    """
    kind, _, rest = (part.strip() for part in text.partition(":"))
    if kind == "conditional":
        return _parse_conditional(rest, grid, text)
    if text.strip() == "uniform":
        target = Target.uniform(grid)
    elif text.strip().endswith((".csv", ".json")):
        target = Target.table(grid, _read_table(Path(text.strip()), grid), text)
    elif kind == "cells":
        target = Target.table(grid, _parse_cells(rest, grid, text), text)
    elif kind == "marginals":
        target = Target.marginals(grid, _parse_marginals(rest, text), text)
    else:
        raise InputError(
            "target",
            "must be 'uniform', a .csv or .json file, 'marginals: ...', 'cells: ...' or "
            "'conditional: A | B'",
            text,
            "See `equipoise balance --help`.",
        )
    return TargetSpec(text, False, lambda prior: target)


def _parse_conditional(rest: str, grid: AttributeGrid, text: str) -> TargetSpec:
    balanced, bar, within = (part.strip() for part in rest.partition("|"))
    if not bar:
        raise InputError(
            "target",
            "must be written as 'conditional: ATTRIBUTE | ATTRIBUTE'",
            text,
            "Write it as in 'conditional: gender | age'.",
        )
    # Wrong names fail here, before images are labelled.
    Target.conditional(grid, balanced, within, np.ones(grid.size), text)

    def resolve(prior: ArrayLike | None) -> Target:
        if prior is None:
            raise InputError(
                "target",
                "must not be conditional where the generator's own shares are not known",
                text,
                "Give a table of shares instead.",
            )
        return Target.conditional(grid, balanced, within, prior, text)

    return TargetSpec(text, True, resolve)

"""The wanted distribution over cells: uniform, a table, marginals, or conditional.

One text grammar serves the command line and settings files (`parse_target`):

- ``uniform``
- a path that ends in ``.csv`` (columns: the attributes and ``share``) or ``.json`` (an object
  from cell to share)
- ``marginals: smiling=yes:3,no:1; skin_tone=dark:1,medium:1,light:2`` (product of the marginals;
  an attribute that is not named is uniform)
- ``conditional: gender | age`` (gender balanced within each age, the ages as in the prior)
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError
from equipoise.core.files import read_json, read_text

_LARGEST_TABLE = 4 * 2**20


@dataclass(frozen=True, eq=False)
class Target:
    """A distribution over the cells of `grid`.

    Parameters
    ----------
    groups : AttributeGrid
        The cells.
    shares : numpy.ndarray, shape (K,), float64
        Nonnegative; any positive total, scaled to sum to 1. Zeros are allowed.
    text : str
        How the user wrote it, kept for reports.

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
                "target", f"must have {self.grid.size} shares", shares.shape, "One a cell."
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

    @classmethod
    def uniform(cls, grid: AttributeGrid) -> Target:
        """Every cell has the same share, 1/K."""
        return cls(grid, np.full(grid.size, 1 / grid.size), "uniform")

    @classmethod
    def table(cls, grid: AttributeGrid, table: Mapping[str, Any], text: str = "table") -> Target:
        """Shares written per cell; every cell must be given, zeros too.

        Raises
        ------
        InputError
            When a cell is unknown, given twice, or missing; the message names it.
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
                    "Correct that share.",
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
        marginals: Mapping[str, Mapping[str, float]],
        text: str = "marginals",
    ) -> Target:
        """Product of the given marginals; an attribute that is not named is uniform."""
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
        """`balanced` uniform within each level of `within`; the rest as in the prior.

        Parameters
        ----------
        groups : AttributeGrid
            The cells.
        balanced, within : str
            Two different attributes. The share of each level of `within`, and the distribution
            of further attributes given `within`, stay those of the prior.
        prior : array_like of float, shape (K,)
            Shares of the cells in the generator's own output.
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
    remedy = "Write a CSV with a column for each attribute and 'share', or a JSON object."
    what, limit = "target file", _LARGEST_TABLE
    if path.suffix == ".json":
        return read_json(path, remedy, what=what, limit=limit, strict=True, error=InputError)
    text = read_text(path, remedy, what=what, limit=limit, error=InputError)
    try:
        rows = list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"target file {path}", "must be CSV", str(error), remedy) from error
    wanted = {*grid.names, "share"}
    odd = next((row for row in rows if set(row) != wanted or None in row.values()), None)
    if not rows or odd is not None:
        got = sorted(map(str, odd)) if odd else "no rows"
        raise InputError(
            f"target file {path}", f"must have the columns {', '.join(sorted(wanted))}", got, remedy
        )
    cells = [", ".join(f"{name}={row[name]}" for name in grid.names) for row in rows]
    if len(set(cells)) < len(cells):
        twice = next(cell for cell in cells if cells.count(cell) > 1)
        raise InputError(
            f"target share of cell {twice!r}", "must be given once", "it twice", "Remove one row."
        )
    return dict(zip(cells, (row["share"] for row in rows), strict=True))


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
    """A target as a user wrote it, parsed, before the generator's own shares are known.

    Attributes
    ----------
    text : str
    needs_prior : bool
        Whether it depends on the generator's own shares.
    resolve : callable
        From those shares, shape (K,), or None, to the `Target`. Raises `InputError` where they are
        needed and not given.
    """

    text: str
    needs_prior: bool
    resolve: Callable[[ArrayLike | None], Target]


def parse_target(text: str, grid: AttributeGrid) -> TargetSpec:
    """Read a target from the text that a user wrote; the module's docstring has the grammar.

    Parameters
    ----------
    text : str
        The target.
    grid : AttributeGrid
        Its cells.

    Raises
    ------
    InputError
        When the text or the file breaks a rule; the message names the cell.

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
    elif kind == "marginals":
        target = Target.marginals(grid, _parse_marginals(rest, text), text)
    else:
        raise InputError(
            "target",
            "must be 'uniform', a .csv or .json file, 'marginals: ...' or 'conditional: A | B'",
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
    # Wrong names fail now, not after images were paid for.
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

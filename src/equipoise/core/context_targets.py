"""Targets that differ by context: a common one, and those of contexts that have their own.

`parse_context_targets` reads what `equipoise.core.targets.parse_target` reads, and a CSV file with
the columns `context`, `cell` and `share`. A row gives the share of a cell ("gender=female,
age=old"), or that of a level of one attribute ("gender=female"):

- Shares of cells make the whole target: each cell has a row, zero included.
- Shares of levels make the product of the marginals: each level of a named attribute has a row, and
  attributes that are not named are uniform.

Rows of the context ``*`` give the target of all contexts that are not named; without them that is
uniform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, Listed
from equipoise.core.tables import read_rows, shown
from equipoise.core.targets import Target, parse_target

ALL = "*"
"""Stands for all contexts that have no target of their own."""

_COLUMNS = ("context", "cell", "share")

_LARGEST = 64 * 2**20
"""Bytes of a file of targets, chosen by hand: 5,000 contexts with 100 cells each."""

Targets = Target | Sequence[Target]
"""One target for every context, or one for each, in order."""


@dataclass(frozen=True, eq=False)
class ContextTargets:
    """What is wanted within every context.

    Attributes
    ----------
    common : Target
        Of contexts that are not named.
    own : mapping of str to Target
        Of named contexts, over the same cells.
    """

    common: Target
    own: Mapping[str, Target]

    def of(self, names: Sequence[str]) -> tuple[Target, ...]:
        """Return the target of each context.

        Parameters
        ----------
        names : sequence of str
            All contexts there are.

        Raises
        ------
        InputError
            When a target names a context that is not among them.
        """
        if unknown := sorted(set(self.own) - set(names)):
            raise InputError(
                "target",
                f"must name contexts among the {len(names):,} that there are",
                Listed(map(shown, unknown)),
                "Correct the names, or remove those rows.",
            )
        return tuple(self.own.get(name, self.common) for name in names)


def each_of(targets: Targets, contexts: int) -> tuple[Target, ...]:
    """Return the target of each context.

    Raises
    ------
    InputError
        When there is not one target for each context.
    """
    every = (targets,) * contexts if isinstance(targets, Target) else tuple(targets)
    if len(every) != contexts:
        rule = f"must be one, or one for each of {contexts:,} contexts"
        raise InputError("targets", rule, len(every), "Give one for each context.")
    return every


def parse_context_targets(text: str, grid: AttributeGrid) -> ContextTargets:
    """Parse the targets of contexts. The docstring of the module has the grammar.

    Parameters
    ----------
    text : str
        The target as a user writes it.
    grid : AttributeGrid
        The cells.

    Raises
    ------
    InputError
        When the text or the file breaks a rule. An error in a file names the context.

    Examples
    --------
    >>> from equipoise.core.attributes import Attribute
    >>> grid = AttributeGrid((Attribute("gender", ("female", "male")),))
    >>> parse_context_targets("uniform", grid).of(["nurse", "pilot"])[1].shares.tolist()
    [0.5, 0.5]
    """
    path = Path(text.strip())
    if path.suffix == ".csv":
        rows = read_rows(path, (), what="target file", limit=_LARGEST)
        if any("context" in row for _, row in rows):
            return _read(path, grid, text)
    return ContextTargets(parse_target(text, grid).resolve(None), {})


def _read(path: Path, grid: AttributeGrid, text: str) -> ContextTargets:
    given: dict[str, dict[str, str]] = {}
    for line, row in read_rows(path, _COLUMNS, what="target file", limit=_LARGEST):
        context, cell, share = (row[name].strip() for name in _COLUMNS)
        if not context:
            rule, remedy = "must name its context", f"Write {ALL} for all that are not named."
            raise FileFormatError(f"row {line} of {path}", rule, "none", remedy)
        shares = given.setdefault(context, {})
        cell = "=".join(part.strip() for part in cell.split("="))
        if cell in shares:
            rule = f"must give {shown(cell)} of context {shown(context)} once"
            raise FileFormatError(f"row {line} of {path}", rule, "it again", "Remove one row.")
        shares[cell] = share
    own = {}
    for context, shares in given.items():
        try:
            own[context] = _target(shares, grid, text)
        except InputError as error:
            argument = f"in context {shown(context)!r} of {path}, {error.argument}"
            raise InputError(argument, error.rule, error.got, error.remedy) from error
    common = own.pop(ALL, None)
    return ContextTargets(common or Target.uniform(grid), own)


def _target(shares: Mapping[str, str], grid: AttributeGrid, text: str) -> Target:
    if len(grid.attributes) == 1 or all("," in cell for cell in shares):
        return Target.table(grid, shares, text)
    marginals: dict[str, dict[str, str]] = {}
    for cell, share in shares.items():
        name, equals, level = (part.strip() for part in cell.partition("="))
        if not equals or "," in cell:
            raise InputError(
                "the target",
                "must give cells, or levels of attributes, and not both",
                shown(cell),
                f"Write cells as {grid.cells[0]!r}, or each level as attribute=level.",
            )
        marginals.setdefault(name, {})[level] = share
    return Target.marginals(grid, marginals, text)

"""What the sign of a released mixture's distance means, for each attribute.

The boundaries of arXiv 2012.04842 have their own sides, listed in the paper's notebook: on the
positive side of "smiling" lie the codes without a smile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError

NOTEBOOK = {
    "gender": ("male", "female"),
    "smiling": ("yes", "no"),
    "eyeglasses": ("yes", "no"),
    "black_hair": ("yes", "no"),
    "age": ("young", "adult"),
    "male": ("yes", "no"),
    "young": ("yes", "no"),
}
"""Levels of negative and positive distances, by attribute, as the paper's notebook has them.

The last two are its gender and age by the names of CelebA."""


@dataclass(frozen=True)
class Sign:
    """The levels of an attribute that negative and positive distances stand for.

    Examples
    --------
    >>> Sign("smiling", "yes", "no").describe()
    'smiling: - yes, + no'
    """

    name: str
    negative: str
    positive: str

    def describe(self) -> str:
        """Return the sign in words."""
        return f"{self.name}: - {self.negative}, + {self.positive}"

    def plain(self) -> Attribute:
        """Return the attribute of these two levels alone, in alphabetical order."""
        first, second = sorted((self.negative, self.positive))
        return Attribute(self.name, (first, second))


def parse_sign(text: str) -> Sign:
    """Return the sign that a text gives.

    Raises
    ------
    InputError
        When it is not "attribute=negative|positive".

    Examples
    --------
    >>> parse_sign("hat=no|yes")
    Sign(name='hat', negative='no', positive='yes')
    """
    name, _, levels = text.partition("=")
    parts = [name.strip(), *(level.strip() for level in levels.split("|"))]
    if len(parts) != 3 or not all(parts):
        rule = "must be an attribute, the level of negative distances, and that of positive ones"
        raise InputError("sign", rule, text[:200], "Write it like --sign 'smiling=yes|no'.")
    return Sign(*parts)


def named_sign(name: str, given: Iterable[Sign]) -> Sign | None:
    """Return the given sign of an attribute, or else the notebook's; None without either."""
    known = NOTEBOOK.get(name.lower())
    found = [sign for sign in given if sign.name == name]
    return found[-1] if found else Sign(name, *known) if known else None


def signs_of(grid: AttributeGrid, given: Iterable[Sign] = ()) -> tuple[Sign, ...]:
    """Return the sign of each attribute of a grid.

    It is the one given, or that of `NOTEBOOK`. Ordered attributes with other levels, and attributes
    that the notebook does not have, go from the first level to the last.

    Raises
    ------
    InputError
        When a given sign is of no attribute, a level is none of its attribute's, or levels of an
        attribute of the notebook have other names and no order.

    Examples
    --------
    >>> bands = Attribute("age", ("under_30", "30_to_44", "45_and_over"), ordered=True)
    >>> signs_of(AttributeGrid((bands,)))[0].describe()
    'age: - under_30, + 45_and_over'
    """
    given = tuple(given)
    for sign in given:
        grid.attribute(sign.name)
    return tuple(_sign(attribute, given) for attribute in grid.attributes)


def _sign(attribute: Attribute, given: tuple[Sign, ...]) -> Sign:
    sign = named_sign(attribute.name, given)
    if sign is None:
        return Sign(attribute.name, attribute.levels[0], attribute.levels[-1])
    ends = {sign.negative, sign.positive}
    if len(ends) == 2 and ends <= set(attribute.levels):
        return sign
    if attribute.ordered and sign not in given:
        return Sign(attribute.name, attribute.levels[0], attribute.levels[-1])
    first, last = attribute.levels[0], attribute.levels[-1]
    raise InputError(
        f"sign of {attribute.name}",
        f"must name two of the levels {', '.join(attribute.levels)}"[:300],
        f"{sign.negative}|{sign.positive}"[:200],
        f"Pass --sign '{attribute.name}={first}|{last}', the level of negative distances first.",
    )


def cell_of_key(key: str, grid: AttributeGrid, signs: tuple[Sign, ...], where: str) -> int:
    """Return the cell that the signed distances of a key stand for.

    Parameters
    ----------
    key : str
        Such as "3.0_-3.0".
    grid : AttributeGrid
    signs : tuple of Sign
        One for each attribute.
    where : str
        Name of the file in errors.

    Raises
    ------
    FileFormatError
        When the distances are not one for each attribute, finite and other than 0.

    Examples
    --------
    >>> grid = AttributeGrid(
    ...     (Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light")))
    ... )
    >>> grid.cells[cell_of_key("3.0_-3.0", grid, signs_of(grid), "file")]
    'smiling=no, tone=dark'
    """
    try:
        distances = np.array([float(part) for part in key.split("_")])
    except ValueError:
        distances = np.array([])
    if len(distances) != len(grid.names) or not (np.isfinite(distances) & (distances != 0)).all():
        raise FileFormatError(
            f"key {key[:80]!r} of {where}",
            f"must hold a signed distance for each of {', '.join(grid.names)}",
            f"{len(key.split('_'))} parts",
            "Pass --attributes in the order of the key's parts.",
        )
    levels = [
        attribute.level(sign.positive if distance > 0 else sign.negative)
        for attribute, sign, distance in zip(grid.attributes, signs, distances, strict=True)
    ]
    return int(np.ravel_multi_index(levels, grid.shape))


def with_plain(
    names: Iterable[str], known: Mapping[str, Attribute], given: Iterable[Sign]
) -> AttributeGrid:
    """Return attributes as classifiers know them, others by the two levels of their sign alone.

    Raises
    ------
    InputError
        When an attribute has neither a classifier nor a sign.
    """
    given = tuple(given)
    attributes = []
    for name in names:
        sign = named_sign(name, given)
        if name not in known and sign is None:
            rule = "must have a classifier, or a sign that names two levels"
            remedy = f"Pass --classifier, or name its levels by --sign '{name[:80]}=no|yes'."
            raise InputError("attribute", rule, name[:200], remedy)
        attributes.append(known[name] if name in known or sign is None else sign.plain())
    return AttributeGrid(tuple(attributes))

"""Mixtures that others released, as a sampler: one for each sign of each attribute's distance.

The layout is that of the mixtures of Tan, Shen and Zhou 2020 (arXiv 2012.04842): a key such as
"3.0_-3.0" holds the signed distance of each attribute's boundary to which codes were shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.errors import FileFormatError
from equipoise.generators.base import Generator
from equipoise.generators.foreign.mixtures import read_mixtures
from equipoise.groups import Groups
from equipoise.mixture import Mixture, MixtureSource
from equipoise.sampler import Origin, Sampler
from equipoise.targets import Target


def import_mixtures(
    path: Path, generator: Generator, groups: Groups, settings: Mapping[str, Any]
) -> Sampler:
    """Return a sampler, bound to a generator, that asks for each cell of a file alike.

    Parameters
    ----------
    path : Path
        See `equipoise.generators.foreign.mixtures.read_mixtures`.
    generator : Generator
        The one in whose codes the mixtures are; the file does not tell which that is.
    groups : Groups
        The attributes, in the order of a key's parts. A positive distance is an attribute's last
        level, a negative one its first; levels between have no mixture and are never asked for.
    settings : mapping
        What the sampler stores of its making.

    Raises
    ------
    FileFormatError
        When the file is no such file, a key does not fit the attributes, two keys are one cell,
        or a mixture is no distribution over the generator's codes.
    """
    where = f"mixtures file {path}"
    mixtures: dict[int, Mixture] = {}
    for key, mixture in read_mixtures(path).items():
        cell = cell_of_key(key, groups, where)
        if cell in mixtures:
            rule = f"must have one mixture for {groups.cells[cell]!r}"
            raise FileFormatError(where, rule, f"another, {key[:80]!r}", "Split the file.")
        mixtures[cell] = mixture
    given = MixtureSource(tuple(mixtures.get(k) for k in range(groups.size)))
    # What is read back from arrays is checked: shapes, weights, means and covariances.
    source = MixtureSource.from_stored(given.tensors(), {}, groups, generator.dim, where)
    shares = source.cells / source.cells.sum()
    text = "uniform" if source.cells.all() else f"uniform over the {len(mixtures)} cells of a file"
    return Sampler(Origin.of(generator), Target(groups, shares, text), shares, source, settings)


def cell_of_key(key: str, groups: Groups, where: str) -> int:
    """Return the cell that a key's signed distances tell.

    Raises
    ------
    FileFormatError
        When they are not one for each attribute, finite and other than 0.

    Examples
    --------
    >>> from equipoise.groups import Attribute
    >>> groups = Groups((Attribute("smiling", ("no", "yes")), Attribute("tone", ("dark", "light"))))
    >>> groups.cells[cell_of_key("3.0_-3.0", groups, "file")]
    'smiling=yes, tone=dark'
    """
    try:
        distances = np.array([float(part) for part in key.split("_")])
    except ValueError:
        distances = np.array([])
    if len(distances) != len(groups.names) or not (np.isfinite(distances) & (distances != 0)).all():
        raise FileFormatError(
            f"key {key[:80]!r} of {where}",
            f"must hold a signed distance for each of {', '.join(groups.names)}",
            f"{len(key.split('_'))} parts",
            "Pass --attributes in the order of the key's parts.",
        )
    levels = [n - 1 if d > 0 else 0 for n, d in zip(groups.shape, distances, strict=True)]
    return int(np.ravel_multi_index(levels, groups.shape))

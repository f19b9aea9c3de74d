"""Mixtures that others released, as a sampler: one for each sign of each attribute's distance.

The layout is that of the mixtures of Tan, Shen and Zhou 2020 (arXiv 2012.04842): a key such as
"3.0_-3.0" holds the signed distance of each attribute's boundary to which codes were shifted.

Pickles of scikit-learn's Gaussian mixtures, or of their arrays in dicts, read as data: no
scikit-learn is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError
from equipoise.core.targets import Target
from equipoise.generators.base import Generator
from equipoise.runtimes.pickles.arrays import array_of
from equipoise.runtimes.pickles.content import read_content
from equipoise.runtimes.pickles.reader import REMEDY, Call, Name, bad_checkpoint, shown
from equipoise.samplers.mixture import Mixture, MixtureSource
from equipoise.samplers.sampler import GeneratorRef, Sampler
from equipoise.samplers.signs import Sign, cell_of_key, signs_of

NOTEBOOK_OPTIONS = {"space": "w", "truncation": "0.7", "cutoff": "8"}
"""Options of a StyleGAN with which the notebook of arXiv 2012.04842 draws: codes of w, of which the
first 8 layers are truncated by 0.7."""


def import_mixtures(
    path: Path,
    generator: Generator,
    grid: AttributeGrid,
    settings: Mapping[str, Any],
    signs: tuple[Sign, ...] | None = None,
) -> Sampler:
    """Return a sampler, bound to a generator, that asks for each cell of a file alike.

    Parameters
    ----------
    path : Path
        See `equipoise.samplers.released.read_mixtures`.
    generator : Generator
        The generator of the mixtures' codes; the file does not name it.
    grid : AttributeGrid
        The attributes, in the order of a key's parts.
    settings : mapping
        What the sampler stores of its making.
    signs : tuple of Sign, optional
        The levels that distances of each attribute stand for, by default those of `signs_of`.
        Other levels have no mixture and are never asked for.

    Raises
    ------
    FileFormatError
        When the file is no such file, a key does not fit the attributes, two keys are one cell,
        or a mixture is no distribution over the generator's codes.
    """
    where = f"mixtures file {path}"
    mixtures: dict[int, Mixture] = {}
    signs = signs_of(grid) if signs is None else signs
    for key, mixture in read_mixtures(path).items():
        cell = cell_of_key(key, grid, signs, where)
        if cell in mixtures:
            rule = f"must have one mixture for {grid.cells[cell]!r}"
            raise FileFormatError(where, rule, f"another, {key[:80]!r}", "Split the file.")
        mixtures[cell] = mixture
    given = MixtureSource(tuple(mixtures.get(k) for k in range(grid.size)))
    # What is read back from arrays is checked: shapes, weights, means and covariances.
    source = MixtureSource.from_stored(given.tensors(), {}, grid, generator.dim, where)
    shares = source.cells / source.cells.sum()
    text = "uniform" if source.cells.all() else f"uniform over the {len(mixtures)} cells of a file"
    return Sampler(GeneratorRef.of(generator), Target(grid, shares, text), shares, source, settings)


_MIXTURES = frozenset(
    Name(module, "GaussianMixture")
    for module in (
        "sklearn.mixture._gaussian_mixture",
        "sklearn.mixture.gaussian_mixture",
        "sklearn.mixture",
    )
)
_MOST = 4096
_MOST_NUMBERS = 2**28
_REMEDY = "Give a pickle of a dict from distances, as '3.0_-3.0', to mixtures of scikit-learn."
_PARTS = (("weights_", "weights"), ("means_", "mean"), ("covariances_", "cov"))
"""Names of a mixture's arrays: scikit-learn's, and those that the paper's notebook reads."""


def read_mixtures(path: Path) -> dict[str, Mixture]:
    """Read a dict of mixtures, by its keys.

    Each is a `GaussianMixture` of scikit-learn; a dict of its `weights_`, `means_`, `covariances_`
    and `covariance_type`; or, as the paper's notebook reads it, a dict of `weights`, `mean`, `cov`
    and `params`, the arguments of a `GaussianMixture`. Where no covariance type is named, it is
    scikit-learn's default, full. Covariances of any type come back full.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, names anything but arrays and mixtures, or holds
        something else.
    """
    where = f"mixtures file {path}"
    try:
        content = read_content(path, where)
        if not isinstance(content, dict) or not 0 < len(content) <= _MOST:
            raise bad_checkpoint(where, f"must be a dict of 1 to {_MOST} mixtures", _kind(content))
        found, held = {}, 0
        for key, value in content.items():
            if type(key) is not str:
                raise bad_checkpoint(where, "must have text as keys", _kind(key))
            found[key] = mixture = _mixture(value, f"{key[:80]!r} of {where}", _MOST_NUMBERS - held)
            held += mixture.covariances.size
        return found
    except FileFormatError as error:
        remedy = _REMEDY if error.remedy == REMEDY else error.remedy
        raise FileFormatError(error.argument, error.rule, error.got, remedy) from error


def _mixture(value: Any, where: str, room: int) -> Mixture:
    if isinstance(value, Call) and value.name in _MIXTURES:
        value = value.state
    if not isinstance(value, Mapping):
        raise bad_checkpoint(where, "must be a mixture", _kind(value))
    found = [next((name for name in names if name in value), None) for names in _PARTS]
    missing = [names[0] for names, name in zip(_PARTS, found, strict=True) if name is None]
    if missing:
        raise bad_checkpoint(where, "must be fitted", f"one without {', '.join(missing)}")
    weights, means, covariances = (array_of(value[name], f"{name} of {where}") for name in found)
    params = value.get("params")
    kind = (params if isinstance(params, dict) else value).get("covariance_type", "full")
    if weights.ndim != 1 or means.ndim != 2 or len(weights) != len(means) or not weights.size:
        raise bad_checkpoint(
            where, "must have a weight for each mean", (weights.shape, means.shape)
        )
    count, dim = means.shape
    # A spherical covariance is one number, which stands for dim * dim.
    if count * dim * dim > room:
        raise bad_checkpoint(
            where, f"must have at most {_MOST_NUMBERS:,} covariances with all", "more"
        )
    full = _full(covariances, kind, count, dim)
    if full is None:
        raise bad_checkpoint(
            where,
            f"must have covariances of its type, {shown(kind)}",
            covariances.shape,
        )
    total = float(weights.sum())
    if not abs(total - 1) <= 1e-3:
        raise bad_checkpoint(where, "must have weights that sum to 1", total)
    return Mixture(weights / total, means, full)


def _full(
    covariances: NDArray[np.float64], kind: Any, count: int, dim: int
) -> NDArray[np.float64] | None:
    """Return covariances of a type of scikit-learn as full ones, shape (count, dim, dim)."""
    shapes = {
        "full": (count, dim, dim),
        "tied": (dim, dim),
        "diag": (count, dim),
        "spherical": (count,),
    }
    if not isinstance(kind, str) or shapes.get(kind) != covariances.shape:
        return None
    if kind in ("full", "tied"):
        return np.array(np.broadcast_to(covariances, (count, dim, dim)))
    return np.asarray(covariances.reshape(count, -1, 1) * np.eye(dim))


def _kind(value: Any) -> str:
    return f"a dict of {len(value)}" if isinstance(value, dict) else shown(value)

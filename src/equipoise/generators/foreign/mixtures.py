"""Pickles of scikit-learn's Gaussian mixtures, read as data: no scikit-learn is run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.errors import FileFormatError
from equipoise.generators.foreign.arrays import ARRAY_NAMES, array_of
from equipoise.generators.foreign.found import foreign
from equipoise.generators.foreign.pickle_reader import Call, Name, read_pickle
from equipoise.mixture import Mixture
from equipoise.model_files import read_model

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


def read_mixtures(path: Path) -> dict[str, Mixture]:
    """Read a dict of mixtures, by its keys.

    Each is a `GaussianMixture` of scikit-learn, or a dict of its `weights_`, `means_`,
    `covariances_` and `covariance_type`. Covariances of any type come back full.

    Raises
    ------
    FileFormatError
        When the file is damaged, too large, names anything but arrays and mixtures, or holds
        something else.
    """
    where = f"mixtures file {path}"
    try:
        content = read_pickle(io.BytesIO(read_model(path)), ARRAY_NAMES | _MIXTURES, where)
        if not isinstance(content, dict) or not 0 < len(content) <= _MOST:
            raise foreign(where, f"must be a dict of 1 to {_MOST} mixtures", _kind(content))
        found, held = {}, 0
        for key, value in content.items():
            if type(key) is not str:
                raise foreign(where, "must have text as keys", repr(key)[:80])
            found[key] = mixture = _mixture(value, f"{key[:80]!r} of {where}", _MOST_NUMBERS - held)
            held += mixture.covariances.size
        return found
    except FileFormatError as error:
        raise FileFormatError(error.argument, error.rule, error.got, _REMEDY) from error


def _mixture(value: Any, where: str, room: int) -> Mixture:
    if isinstance(value, Call) and value.name in _MIXTURES:
        value = value.state
    if not isinstance(value, Mapping):
        raise foreign(where, "must be a mixture", _kind(value))
    names = ("weights_", "means_", "covariances_")
    missing = [name for name in (*names, "covariance_type") if name not in value]
    if missing:
        raise foreign(where, "must be fitted", f"one without {', '.join(missing)}")
    weights, means, covariances = (array_of(value[name], f"{name} of {where}") for name in names)
    if weights.ndim != 1 or means.ndim != 2 or len(weights) != len(means) or not weights.size:
        raise foreign(where, "must have a weight for each mean", (weights.shape, means.shape))
    count, dim = means.shape
    # A spherical covariance is one number, which stands for dim * dim.
    if count * dim * dim > room:
        raise foreign(where, f"must have at most {_MOST_NUMBERS:,} covariances with all", "more")
    full = _full(covariances, str(value["covariance_type"]), count, dim)
    if full is None:
        raise foreign(
            where,
            f"must have covariances of its type, {str(value['covariance_type'])[:80]!r}",
            covariances.shape,
        )
    total = float(weights.sum())
    if not abs(total - 1) <= 1e-3:
        raise foreign(where, "must have weights that sum to 1", total)
    return Mixture(weights / total, means, full)


def _full(
    covariances: NDArray[np.float64], kind: str, count: int, dim: int
) -> NDArray[np.float64] | None:
    """Return covariances of a type of scikit-learn as full ones, shape (count, dim, dim)."""
    shapes = {
        "full": (count, dim, dim),
        "tied": (dim, dim),
        "diag": (count, dim),
        "spherical": (count,),
    }
    if shapes.get(kind) != covariances.shape:
        return None
    if kind in ("full", "tied"):
        return np.array(np.broadcast_to(covariances, (count, dim, dim)))
    return np.asarray(covariances.reshape(count, -1, 1) * np.eye(dim))


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict of {len(value)}"
    return str(value.name) if isinstance(value, Call) else type(value).__name__

"""Records of the directions of attributes: their hyperplanes, and the file that keeps them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from equipoise.core.attributes import Attribute, AttributeGrid
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import atomic_path, parse_json

LARGEST_DIRECTIONS = 256 * 2**20
"""Bytes of a file of directions, chosen by hand: 60 normals of half a million values."""

_LEAST_SINGULAR = 1e-10
"""Singular values up to this count as 0: rounding of unit vectors in float64 stays below it."""

_LEAST_REST = 1e-6
"""Length of a projected unit normal below which nothing but rounding is left of it."""


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """A boundary between levels of an attribute. On its positive side normal @ code > offset.

    Attributes
    ----------
    positive : tuple of str
        Levels on the positive side.
    normal : numpy.ndarray, shape (dim,), float64
        Unit vector.
    offset : float
        Signed distance of the boundary from the origin, in units of code space.
    accuracy : float
        Balanced accuracy on test codes, which neither the fit nor the choice of the fraction used.
        In [0, 1]; 0.5 is chance. NaN when all test codes are on one side.
    auc : float
        Area under the ROC curve on the same codes. In [0, 1]; 0.5 is chance. NaN as `accuracy`.
    fraction : float
        Share of the most confident codes of each side that it was fitted on, in (0, 1].
    fitted, held_out : int
        Number of codes that it was fitted on, and tested on.
    """

    positive: tuple[str, ...]
    normal: NDArray[np.float64]
    offset: float
    accuracy: float
    auc: float
    fraction: float
    fitted: int
    held_out: int

    def distance(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the signed distance of each code from the boundary.

        Parameters
        ----------
        codes : numpy.ndarray, shape (n, dim), float32

        Returns
        -------
        numpy.ndarray, shape (n,), float64
            In units of code space; above 0 on the positive side.
        """
        return np.asarray(codes @ self.normal - self.offset)


@dataclass(frozen=True, eq=False)
class Direction:
    """All hyperplanes of one attribute.

    Let L be the number of levels. An attribute that is ordered, or has two levels, has L - 1
    hyperplanes with one common normal. A one-vs-rest attribute has L hyperplanes.

    Attributes
    ----------
    attribute : Attribute
    ordered : bool
        Whether its hyperplanes have one common normal.
    planes : tuple of Hyperplane
        In the order of the levels.
    peaks : tuple of float
        For each inner level of an ordered attribute, the coordinate along the normal where that
        level is most probable. The middle between the two boundaries of a level is no substitute:
        a boundary is unbiased only if both sides are equally common, and inner levels are often
        rare.
    """

    attribute: Attribute
    ordered: bool
    planes: tuple[Hyperplane, ...]
    peaks: tuple[float, ...] = ()

    @property
    def normals(self) -> NDArray[np.float64]:
        """The distinct unit normals, float64: shape (1, dim) when ordered, else (L, dim)."""
        planes = self.planes[:1] if self.ordered else self.planes
        return np.stack([plane.normal for plane in planes])

    def normal(self, level: int) -> NDArray[np.float64]:
        """Return the unit normal along which codes of `level` are placed, shape (dim,), float64."""
        return self.planes[0 if self.ordered else level].normal

    def placement(self, level: int, distance: float) -> tuple[NDArray[np.float64], float]:
        """Return the wanted coordinate of codes of a level, and the normal along which it counts.

        For an ordered attribute, the lowest and the highest level are placed at `distance` beyond
        their boundary, and an inner level at its peak. For a one-vs-rest attribute, each level is
        placed at `distance` on the positive side of its own hyperplane. A level between two others
        on one axis has no such side; use the ordered form for it.

        Parameters
        ----------
        level : int
            Number of the level, in [0, L).
        distance : float
            In units of code space, above 0.

        Returns
        -------
        normal : numpy.ndarray, shape (dim,), float64
            Unit vector.
        coordinate : float
            Wanted value of normal @ code.
        """
        normal = self.normal(level)
        if not self.ordered:
            return normal, self.planes[level].offset + distance
        if level == 0:
            return normal, self.planes[0].offset - distance
        if level == len(self.planes):
            return normal, self.planes[-1].offset + distance
        return normal, self.peaks[level - 1]


@dataclass(frozen=True, eq=False)
class Directions:
    """The directions of all attributes of a grid.

    Attributes
    ----------
    grid : AttributeGrid
    directions : tuple of Direction
        One per attribute, in order.
    """

    grid: AttributeGrid
    directions: tuple[Direction, ...]

    def __getitem__(self, attribute: str) -> Direction:
        return self.directions[self.grid.attribute(attribute)]

    @property
    def normals(self) -> NDArray[np.float64]:
        """All distinct unit normals, attribute by attribute, shape (P, dim), float64."""
        return np.concatenate([direction.normals for direction in self.directions])

    @property
    def normal_names(self) -> tuple[str, ...]:
        """Names of the normals, in the order of `normals`: "smiling" or "skin_tone=dark"."""
        return tuple(
            d.attribute.name if d.ordered else level_name(d.attribute, k)
            for d in self.directions
            for k in range(len(d.normals))
        )

    @property
    def cosines(self) -> NDArray[np.float64]:
        """Cosines between all normals, shape (P, P), float64, in [-1, 1]."""
        return np.asarray(self.normals @ self.normals.T)

    def conditional(self, attribute: str) -> NDArray[np.float64]:
        """Return an attribute's unit normals, made orthogonal to those of the other attributes.

        A move along such a normal changes no distance to a hyperplane of another attribute.

        Returns
        -------
        numpy.ndarray, shape (1, dim) when ordered, else (L, dim), float64

        Raises
        ------
        InputError
            When there is no such attribute, or a normal is in the span of the others.
        """
        own = self[attribute].normals
        others = [d.normals for d in self.directions if d.attribute.name != attribute]
        if not others:
            return own
        basis = np.linalg.svd(np.concatenate(others), full_matrices=False)
        span = basis.Vh[basis.S > _LEAST_SINGULAR]
        rest = own - (own @ span.T) @ span
        lengths = np.linalg.norm(rest, axis=1, keepdims=True)
        if (lengths < _LEAST_REST).any():
            raise InputError(
                f"direction of attribute {attribute!r}",
                "must not lie in the span of the other attributes' directions",
                f"length {float(lengths.min()):.1e} after projection",
                "Drop an attribute that follows from the others.",
            )
        return np.asarray(rest / lengths)


def save_directions(directions: Directions, path: Path) -> None:
    """Write the directions to a safetensors file.

    The tensors are "normals" (P, dim), "conditional" (P, dim; see `Directions.conditional`) and
    "offsets" (one per hyperplane), all float64. The metadata "equipoise" is JSON with the names of
    the normals, and the attribute and positive levels of each offset. "conditional" is left out
    when a normal is in the span of the others.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    tensors = {
        "normals": directions.normals,
        "offsets": np.array([p.offset for d in directions.directions for p in d.planes]),
    }
    with suppress(InputError):
        conditional = [directions.conditional(name) for name in directions.grid.names]
        tensors["conditional"] = np.concatenate(conditional)
    planes = [
        {"attribute": d.attribute.name, "positive": p.positive}
        for d in directions.directions
        for p in d.planes
    ]
    metadata = {"normals": directions.normal_names, "offsets": planes}
    with atomic_path(path) as part:
        part.write_bytes(safetensors.numpy.save(tensors, {"equipoise": json.dumps(metadata)}))


def read_conditional(path: Path, attribute: Attribute) -> NDArray[np.float64]:
    """Read the conditional unit normals of one attribute from a file of `save_directions`.

    Returns
    -------
    numpy.ndarray, shape (1, dim) or (L, dim), float64
        Unit vectors: one that points to higher levels, or one for each level.

    Raises
    ------
    FileFormatError
        When the file is missing, too large, damaged, or lacks the attribute.
    """
    where, remedy = f"directions {path}", "Make them with `equipoise balance` or `directions`."
    try:
        if path.stat().st_size > LARGEST_DIRECTIONS:
            raise ValueError("a file of over 256 MiB")
        with safetensors.safe_open(path, framework="numpy") as stored:
            names = parse_json((stored.metadata() or {})["equipoise"])["normals"]
            conditional = np.asarray(stored.get_tensor("conditional"), np.float64)
        wanted = [attribute.name]
        if attribute.name not in names:
            wanted = [level_name(attribute, k) for k in range(len(attribute.levels))]
        normals = conditional[[names.index(name) for name in wanted]]
        if normals.ndim != 2 or not np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6):
            raise ValueError("no unit normals")
    except (
        *(OSError, KeyError, TypeError, ValueError, IndexError),
        safetensors.SafetensorError,
    ) as error:
        raise FileFormatError(
            where,
            f"must hold conditional normals of {attribute.name!r}",
            f"{type(error).__name__}: {error}",
            remedy,
        ) from error
    return normals


def level_name(attribute: Attribute, level: int) -> str:
    """Return the name of a level with its attribute: "smiling=yes"."""
    return f"{attribute.name}={attribute.levels[level]}"

"""Directions of attributes as records: hyperplanes, what they say of a code, and their file."""

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

_LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """One boundary of an attribute: normal @ code > offset on its positive side.

    Attributes
    ----------
    positive : tuple of str
        Levels on the positive side.
    normal : numpy.ndarray, shape (dim,), float64
        Unit length.
    offset : float
        In units of code space.
    accuracy : float
        Balanced accuracy of the sign on codes that neither the fit nor the choice of the fraction
        saw, in [0, 1]; 0.5 is chance.
    auc : float
        Area under the ROC curve on the same codes, in [0, 1]; 0.5 is chance.
    fraction : float
        Share of the most confident codes of each side that it was fitted on.
    fitted, held_out : int
        Codes it was fitted on, and tested on.
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
        """Return the signed distance of each code, shape (n,)."""
        return np.asarray(codes @ self.normal - self.offset)


@dataclass(frozen=True, eq=False)
class Direction:
    """All hyperplanes of one attribute.

    An ordered attribute (and every attribute of two levels) has L - 1 hyperplanes that share one
    normal; a one-vs-rest attribute has L.

    Attributes
    ----------
    attribute : Attribute
    ordered : bool
    planes : tuple of Hyperplane
    peaks : tuple of float
        For each inner level of an ordered attribute, the place along the normal where that level
        is most probable. The middle between its two boundaries would not do: a boundary splits
        evenly only if both sides are equally common, and inner levels are often rare.
    """

    attribute: Attribute
    ordered: bool
    planes: tuple[Hyperplane, ...]
    peaks: tuple[float, ...] = ()

    @property
    def normals(self) -> NDArray[np.float64]:
        """Different normals, shape (1, dim) when ordered, else (L, dim)."""
        planes = self.planes[:1] if self.ordered else self.planes
        return np.stack([plane.normal for plane in planes])

    def normal(self, level: int) -> NDArray[np.float64]:
        """Return the unit normal along which codes of `level` are placed, shape (dim,)."""
        return self.planes[0 if self.ordered else level].normal

    def placement(self, level: int, distance: float) -> tuple[NDArray[np.float64], float]:
        """Return a unit normal, shape (dim,), and where along it a code of `level` is to stand.

        Ordered: `distance` beyond the outer boundary for the outer levels, the peak for an inner
        level. One-vs-rest: `distance` on the positive side of the level's own hyperplane. A level
        that lies between others along one axis has no such side; use the ordered form there.
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
    """Directions of all attributes of `grid`, in order."""

    grid: AttributeGrid
    directions: tuple[Direction, ...]

    def __getitem__(self, attribute: str) -> Direction:
        return self.directions[self.grid.attribute(attribute)]

    @property
    def normals(self) -> NDArray[np.float64]:
        """All normals, attribute by attribute, shape (P, dim)."""
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
        """Cosines between all normals, shape (P, P)."""
        return np.asarray(self.normals @ self.normals.T)

    def conditional(self, attribute: str) -> NDArray[np.float64]:
        """Return the attribute's unit normals with the other attributes projected off.

        Moving along a row changes no signed distance to any other attribute's hyperplane.

        Returns
        -------
        numpy.ndarray, shape (1, dim) when ordered, else (L, dim), float64

        Raises
        ------
        InputError
            When a normal lies in the span of the others, so that nothing of it is left.
        """
        own = self[attribute].normals
        others = [d.normals for d in self.directions if d.attribute.name != attribute]
        if not others:
            return own
        basis = np.linalg.svd(np.concatenate(others), full_matrices=False)
        span = basis.Vh[basis.S > 1e-10]
        rest = own - (own @ span.T) @ span
        lengths = np.linalg.norm(rest, axis=1, keepdims=True)
        if (lengths < 1e-6).any():
            raise InputError(
                f"direction of attribute {attribute!r}",
                "must not lie in the span of the other attributes' directions",
                f"length {float(lengths.min()):.1e} after projection",
                "Drop an attribute that follows from the others.",
            )
        return np.asarray(rest / lengths)


def save_directions(directions: Directions, path: Path) -> None:
    """Write normals (P, dim), conditional normals (P, dim) and offsets to a safetensors file.

    Names of normals and of each offset's positive levels are in the metadata, key "equipoise", as
    JSON. Conditional normals are left out where an attribute follows from the others.

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
        safetensors.numpy.save_file(tensors, part, {"equipoise": json.dumps(metadata)})


def read_conditional(path: Path, attribute: Attribute) -> NDArray[np.float64]:
    """Read the conditional unit normals of one attribute from a file of `save_directions`.

    Returns
    -------
    numpy.ndarray, shape (P, dim), float64
        One normal that grows with the level, or one for each of the attribute's levels.

    Raises
    ------
    FileFormatError
        When the file is missing, too large, damaged, or lacks the attribute.
    """
    where, remedy = f"directions {path}", "Make them with `equipoise balance` or `directions`."
    try:
        if path.stat().st_size > _LARGEST_FILE:
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
    """Return "attribute=level"."""
    return f"{attribute.name}={attribute.levels[level]}"

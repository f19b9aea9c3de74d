"""Descriptors of the images of an audit: from a file, or from a user's own function."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_rows import digests_by_name
from equipoise.audit.images import AuditImages, Pictures
from equipoise.core.errors import FileFormatError, ModelOutputError
from equipoise.core.files import digest_of
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.plugins import imported
from equipoise.core.progress import Execution
from equipoise.core.tables import shown

_LARGEST = 2**31
_BATCH = 64
_REMEDY = "Write it as np.savez(path, file_name=names, descriptor=array), arrays of one length."


@runtime_checkable
class Describe(Protocol):
    """A function of images."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Return descriptors, shape (n, d); rows of NaN where no face was found.

        Parameters
        ----------
        images : numpy.ndarray, shape (n, 3, height, width), uint8
            RGB.
        """
        ...


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of n images.

    Attributes
    ----------
    name : str
        Of their model, or their file.
    digest : str
        SHA-256 of the file, or of the name of the function.
    vectors : numpy.ndarray, shape (n, d), float32
        Of length 1; NaN where an image has none.
    """

    name: str
    digest: str
    vectors: NDArray[np.float32]

    pinned = ()

    @property
    def found(self) -> NDArray[np.bool_]:
        """Mask of the images that have a descriptor, shape (n,)."""
        return np.asarray(np.isfinite(self.vectors).all(axis=1))


def read_descriptors(path: Path, images: AuditImages) -> Descriptors:
    """Read descriptors that somebody computed.

    Parameters
    ----------
    path : Path
        An .npz file with `file_name`, shape (m,), texts, as in the set or in its blind copy, and
        `descriptor`, shape (m, d), numbers. Images that it does not name have no descriptor.
    images : AuditImages

    Raises
    ------
    FileFormatError
        When the file is missing, damaged or too large, an array has a wrong shape or type, or a
        name is no image of the set or comes twice.
    """
    return read_named_descriptors(path, digests_by_name(images), images.digests)


def read_named_descriptors(
    path: Path, known: Mapping[str, str], digests: Sequence[str]
) -> Descriptors:
    """Read descriptors of any pictures that somebody computed.

    Parameters
    ----------
    path : Path
        As for `read_descriptors`.
    known : mapping of str to str
        Digest of the picture that each possible name means.
    digests : sequence of str
        Of the n pictures. Those of equal digest have one descriptor.

    Raises
    ------
    FileFormatError
        As `read_descriptors`.
    """
    names, vectors = _arrays(path)
    rows: dict[str, int] = {}
    for row, name in enumerate(names.tolist()):
        digest = known.get(name)
        if digest is None or digest in rows:
            rule = "must be images of the set" if digest is None else "must come once each"
            raise FileFormatError(f"file_name of {path}", rule, shown(name), _REMEDY)
        rows[digest] = row
    every = np.full((len(digests), vectors.shape[1]), np.nan, np.float32)
    for place, digest in enumerate(digests):
        if digest in rows:
            every[place] = vectors[rows[digest]]
    return Descriptors(path.name, digest_of(path), _normalised(every))


def compute_descriptors(
    uri: str, images: Pictures, execution: Execution = Execution()
) -> Descriptors:
    """Describe images with a user's own function.

    Parameters
    ----------
    uri : str
        "module:object", a function as `Describe`.
    images : Pictures
    execution : Execution
        Its threads call the function; progress counts described images.

    Raises
    ------
    InputError
        When the function cannot be imported.
    ModelOutputError
        When it returns something else than descriptors.
    """
    describe = imported(uri, "function of descriptors", Describe)  # type: ignore[type-abstract]

    def one(bounds: tuple[int, int]) -> NDArray[np.float32]:
        pictures = images.images(range(*bounds))
        found = np.asarray(describe(pictures))
        if found.ndim != 2 or len(found) != len(pictures) or found.dtype.kind not in "fiu":
            raise ModelOutputError(
                f"output of {uri}",
                f"must be numbers of shape ({len(pictures)}, d)",
                f"{found.dtype} of shape {found.shape}",
                "Return one descriptor an image.",
            )
        return found.astype(np.float32)

    parts: list[NDArray[np.float32]] = []
    n = len(images.digests)
    with closing(ordered_map(one, batches(0, n, _BATCH), execution.workers)) as results:
        for part in results:
            parts.append(part)
            execution.progress("describe", sum(map(len, parts)), n)
    digest = hashlib.sha256(uri.encode()).hexdigest()
    return Descriptors(uri, digest, _normalised(np.concatenate(parts)))


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length 1, NaN where one has no length."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(vectors / length, np.float32)


def _arrays(path: Path) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Return names, shape (m,), and vectors, shape (m, d), of a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _LARGEST:
            raise ValueError(f"{size:,} bytes, more than {_LARGEST:,}")
        with np.load(path, allow_pickle=False) as stored:
            names, vectors = stored["file_name"], stored["descriptor"]
        if names.dtype.kind != "U" or vectors.dtype.kind not in "fiu":
            raise ValueError(f"arrays of {names.dtype} and {vectors.dtype}")
        if names.ndim != 1 or vectors.ndim != 2 or len(names) != len(vectors):
            raise ValueError(f"arrays of shapes {names.shape} and {vectors.shape}")
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"descriptors {path}",
            "must hold file_name and descriptor",
            shown(str(error)),
            _REMEDY,
        ) from error
    return names, vectors.astype(np.float32)

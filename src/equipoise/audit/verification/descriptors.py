"""Descriptors of the images of an audit: from a file, or from a model.

AUDIT/descriptors/<model>/<batch>.parquet holds what a model gave, a row for each image.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.audit.answer_rows import digests_by_name
from equipoise.audit.answer_shards import ask_missing
from equipoise.audit.images import AuditImages, Pictures
from equipoise.audit.kept_answers import kept_tables
from equipoise.audit.verification.describers import COLUMN, DescriberAddress
from equipoise.classifiers.remote import RemoteDescriber
from equipoise.core.alone import alone
from equipoise.core.errors import FileFormatError, ModelOutputError
from equipoise.core.files import digest_of
from equipoise.core.progress import Execution
from equipoise.core.resumable import ResumableFolder
from equipoise.core.tables import shown

_LARGEST = 2**31
_REMEDY = "Write it as np.savez(path, file_name=names, descriptor=array), arrays of one length."


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of n images.

    Attributes
    ----------
    name : str
        Of their model, or their file.
    digest : str
        SHA-256 of the file, or that of `Describer`.
    vectors : numpy.ndarray, shape (n, d), float32
        Of length 1; NaN where an image has none.
    asked, kept : int
        Images described by this call, and images whose descriptors were there, equal ones once.
    recorded : bool
        Whether they come from a file, whose model nobody knows.
    unanswered : int
        Images that are asked about again: a service gave no answer. In the others without a
        descriptor no face was found; of a file, nobody knows.
    licence, preprocessing, caveats
        Of a model that a file describes, as of a classifier.
    """

    name: str
    digest: str
    vectors: NDArray[np.float32]
    asked: int = 0
    kept: int = 0
    recorded: bool = False
    unanswered: int = 0
    licence: str = ""
    preprocessing: str = ""
    caveats: tuple[str, ...] = ()

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
    return Descriptors(
        path.name, digest_of(path), _normalised(every), kept=len(rows), recorded=True
    )


def compute_descriptors(
    address: DescriberAddress,
    pictures: Pictures,
    folder: Path,
    execution: Execution = Execution(),
) -> Descriptors:
    """Describe images with a model, except those whose descriptors are kept.

    Parameters
    ----------
    address : DescriberAddress
    pictures : Pictures
        With an engine `PictureFiles`, which its workers must reach under the same paths.
    folder : Path
        Keeps the descriptors of any number of models, so that a stopped call goes on; created when
        missing.
    execution : Execution
        Threads, engine and progress, of described images. Descriptors do not depend on it.

    Raises
    ------
    InputError
        When the model cannot be opened, or a worker opens another.
    ModelOutputError
        When it returns something else than descriptors.
    FileFormatError
        When a file of kept descriptors is damaged.
    WorkerError
        When workers cannot start, or batches were set aside; the others are kept.
    """
    describer = address.open()
    model = describer.describe
    # Workers of an engine have counts of their own.
    service = model if isinstance(model, RemoteDescriber) and execution.engine is None else None
    before = None if service is None else service.tally
    digests = set(pictures.digests)
    with describer.kept_in(folder) as home, alone(home.home):
        known = _kept(home)
        missing = digests - known.keys()
        known |= _kept(
            home,
            ask_missing(
                describer,
                pictures,
                home,
                missing,
                lambda: address,
                stage="describe",
                execution=execution,
            ),
        )
    found = [known[digest] for digest in pictures.digests]
    lengths = sorted({len(vector) for vector in found})
    if len(lengths) > 1:
        raise ModelOutputError(
            f"output of {describer.name}",
            "must have one length for all images",
            lengths[:5],
            "Correct it, and change its digest where it has one.",
        )
    asked, kept, unanswered = len(missing), len(digests) - len(missing), 0
    if service is not None and before is not None:
        # What a service answered before is in its own cache.
        after = service.tally
        asked, unanswered = after.asked - before.asked, after.failed - before.failed
        kept = len(digests) - asked - unanswered
    return Descriptors(
        describer.name,
        describer.digest,
        _normalised(np.stack(found)),
        asked,
        kept,
        unanswered=unanswered,
        licence=getattr(describer.describe, "licence", ""),
        preprocessing=getattr(describer.describe, "preprocessing", ""),
        caveats=tuple(getattr(describer.describe, "caveats", ())),
    )


def _kept(
    home: ResumableFolder, files: Iterable[str] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the descriptors of some files, shape (d,) each, by image."""
    known: dict[str, NDArray[np.float32]] = {}
    for file, table in kept_tables(home, files):
        with home.intact(file):
            kind = table[COLUMN].type
            if not pa.types.is_fixed_size_list(kind):
                raise ValueError(f"descriptors of type {kind}")
            numbers = pc.list_flatten(table[COLUMN]).cast(pa.float32()).to_numpy()
            vectors = numbers.reshape(table.num_rows, kind.list_size)
            known.update(zip(table["image"].to_pylist(), vectors, strict=True))
    return known


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

"""A classifier's answers on the images of an audit, kept on disk so that none is asked twice.

ANSWERS/<model>/<batch>.parquet: one row an image, named by its digest. A batch is written by the
thread that asked it, whole, as soon as it is answered.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise.audit.images import Pictures
from equipoise.classifiers.base import FAILED, Classifier
from equipoise.classifiers.panel import check_prediction
from equipoise.core.attributes import Attribute
from equipoise.core.errors import FileFormatError, ModelOutputError
from equipoise.core.files import atomic_path
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Progress, no_progress

BATCH = 64
_IDENTITY = b"equipoise.identity"

Row = tuple[list[int], list[float]]
"""Of one image: the level and the confidence on each attribute."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said of n images.

    Attributes
    ----------
    attributes : tuple of Attribute
        What it answers on, A of them.
    levels : numpy.ndarray, shape (n, A), int8
        -1 where it abstained, `FAILED` where it could not be asked.
    confidence : numpy.ndarray, shape (n, A), float32
        The highest probability, in [0, 1]; NaN where it could not be asked.
    asked, kept, failed : int
        Images that this call asked about, that were answered before, and that failed.
    seconds : float
        Wall time of asking.
    """

    attributes: tuple[Attribute, ...]
    levels: NDArray[np.int8]
    confidence: NDArray[np.float32]
    asked: int
    kept: int
    failed: int
    seconds: float


def predict_cached(
    classifier: Classifier,
    pictures: Pictures,
    folder: Path,
    *,
    batch: int = BATCH,
    workers: int | None = None,
    progress: Progress = no_progress,
    stage: str = "ask",
) -> Predictions:
    """Ask a classifier about every image whose answer the folder lacks.

    Failures are not kept: the next call asks about them again. Equal images are asked about once.

    Parameters
    ----------
    classifier : Classifier
        Asked from several threads.
    pictures : Pictures
    folder : Path
        Keeps the answers of any number of classifiers; made when missing.
    batch : int
        Images in one call.
    workers : int, optional
        Threads; all cores by default. Answers do not depend on it.
    progress : Progress
        Told of images answered.
    stage : str
        What `progress` is told.

    Raises
    ------
    ModelOutputError
        When an answer has a wrong shape, level or range.
    FileFormatError
        When kept answers are damaged, or an image is no picture.
    StorageError
        When the disk fails; answers written so far are kept.
    """
    began = time.perf_counter()
    words = [(attribute.name, attribute.levels) for attribute in classifier.attributes]
    identity = json.dumps({"model": classifier.digest, "attributes": words}).encode()
    home = folder / classifier.digest[:16]
    known = _read(home, identity, len(classifier.attributes))
    places: dict[str, int] = {}
    for row, digest in enumerate(pictures.digests):
        places.setdefault(digest, row)
    missing = [(digest, row) for digest, row in places.items() if digest not in known]
    done, total = len(places) - len(missing), len(places)
    kept = done
    progress(stage, done, total)

    def answer(bounds: tuple[int, int]) -> dict[str, Row]:
        part = missing[slice(*bounds)]
        found = _ask_batch(classifier, pictures.images([row for _, row in part]))
        rows = dict(zip([digest for digest, _ in part], found, strict=True))
        _write(home, {d: r for d, r in rows.items() if FAILED not in r[0]}, identity)
        return rows

    with closing(ordered_map(answer, batches(0, len(missing), batch), workers)) as results:
        for rows in results:
            known.update(rows)
            done += len(rows)
            progress(stage, done, total)
    answered = [known[digest] for digest in pictures.digests]
    shape = (len(answered), len(classifier.attributes))
    levels = np.array([row[0] for row in answered], np.int8).reshape(shape)
    confidence = np.array([row[1] for row in answered], np.float32).reshape(shape)
    failed = sum(FAILED in known[digest][0] for digest in places)
    return Predictions(
        tuple(classifier.attributes),
        levels,
        confidence,
        len(missing),
        kept,
        failed,
        time.perf_counter() - began,
    )


def _ask_batch(classifier: Classifier, images: NDArray[np.uint8]) -> list[Row]:
    """Ask about one batch and check every answer."""
    readings = classifier.predict(images)
    if len(readings) != len(classifier.attributes):
        raise ModelOutputError(
            f"answer of classifier {classifier.name!r}",
            f"must be on {len(classifier.attributes)} attributes",
            len(readings),
            "Give one reading an attribute.",
        )
    for attribute, reading in zip(classifier.attributes, readings, strict=True):
        check_prediction(classifier.name, attribute, reading, len(images))
    levels = np.stack([reading.levels for reading in readings], axis=1)
    confidence = np.stack([reading.probabilities.max(axis=1) for reading in readings], axis=1)
    confidence = np.where(levels == FAILED, np.nan, confidence)
    return list(zip(levels.tolist(), confidence.tolist(), strict=True))


def _write(home: Path, rows: dict[str, Row], identity: bytes) -> None:
    """Write answered rows as one file, named by its images."""
    if not rows:
        return
    table = pa.table(
        {
            "image": pa.array(list(rows), pa.string()),
            "levels": pa.array([levels for levels, _ in rows.values()], pa.list_(pa.int8())),
            "confidence": pa.array([c for _, c in rows.values()], pa.list_(pa.float32())),
        }
    ).replace_schema_metadata({_IDENTITY: identity})
    name = hashlib.sha256(" ".join(rows).encode()).hexdigest()[:16]
    with atomic_path(home / f"{name}.parquet") as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def _read(home: Path, identity: bytes, attributes: int) -> dict[str, Row]:
    """Read the answers that a folder keeps of this classifier."""
    known: dict[str, Row] = {}
    for path in sorted(home.glob("*.parquet")):
        try:
            table = pq.read_table(path, page_checksum_verification=True)
            if (table.schema.metadata or {}).get(_IDENTITY) != identity:
                raise ValueError("answers of another classifier")
            columns = [table[name].to_pylist() for name in ("image", "levels", "confidence")]
            for image, levels, confidence in zip(*columns, strict=True):
                if len(levels) != attributes or len(confidence) != attributes:
                    raise ValueError(f"{len(levels)} levels of an image")
                known[image] = (levels, confidence)
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise FileFormatError(
                f"answers {path}",
                "must be a whole Parquet file of this classifier",
                (str(error).splitlines() or [type(error).__name__])[0],
                "Delete it and run the same command again.",
            ) from error
    return known

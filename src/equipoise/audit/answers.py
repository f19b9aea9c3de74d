"""A classifier's predictions on the images of an audit, cached on disk.

ANSWERS/<model>/<batch>.parquet holds one row per image, identified by its digest. The thread that
classified a batch writes it in one step, so an interrupted audit resumes from complete batches.
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
from numpy.typing import NDArray

from equipoise.audit.images import Pictures
from equipoise.classifiers.base import FAILED, Classifier
from equipoise.classifiers.panel import check_prediction
from equipoise.core.attributes import Attribute
from equipoise.core.errors import ModelOutputError
from equipoise.core.folders import LocalFolder
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Progress, no_progress
from equipoise.core.resumable import ResumableFolder

BATCH = 64
"""Images per call of a classifier, and per file; chosen by hand."""

_COLUMNS = ("image", "levels", "confidence", "scores")

Row = tuple[list[int], list[float], list[float]]
"""The level, the confidence and the score of each attribute, for one image."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A classifier's predictions of A attributes for n images.

    Attributes
    ----------
    attributes : tuple of Attribute
        The attributes that it predicts.
    levels : numpy.ndarray, shape (n, A), int8
        -1 where it abstained, `FAILED` where it failed.
    confidence : numpy.ndarray, shape (n, A), float32
        The highest probability, in [0, 1]; NaN where it failed.
    asked, kept, failed : int
        Images classified by this call, images found in the cache, and images that failed.
    seconds : float
        Wall time of the call.
    responses : numpy.ndarray, shape (n,), float32, or None
        Seconds of the response to each image; NaN where it is not known.
    scores : numpy.ndarray, shape (n, A), float32, or None
        As of `Prediction`, NaN where it failed; None where answers are words.
    """

    attributes: tuple[Attribute, ...]
    levels: NDArray[np.int8]
    confidence: NDArray[np.float32]
    asked: int
    kept: int
    failed: int
    seconds: float
    responses: NDArray[np.float32] | None = None
    scores: NDArray[np.float32] | None = None


def predict_cached(
    classifier: Classifier,
    pictures: Pictures,
    folder: Path,
    *,
    batch: int = BATCH,
    workers: int | None = None,
    progress: Progress = no_progress,
    stage: str = "predict",
) -> Predictions:
    """Classify every image that the cache lacks, and return the predictions of all images.

    Failures are not cached, so the next call repeats them. Equal images are classified once.

    Parameters
    ----------
    classifier : Classifier
        Called from several threads.
    pictures : Pictures
    folder : Path
        Caches the predictions of any number of classifiers; created when missing.
    batch : int
        Images per call.
    workers : int, optional
        Threads; all cores by default. Predictions do not depend on it.
    progress : Progress
        Reports classified images.
    stage : str
        Name of the stage in `progress`.

    Raises
    ------
    ModelOutputError
        When a prediction has a wrong shape, level or range.
    FileFormatError
        When the cache is damaged, or an image cannot be decoded.
    StorageError
        When a file cannot be written; predictions written so far stay.
    """
    began = time.perf_counter()
    words = [(attribute.name, attribute.levels) for attribute in classifier.attributes]
    identity = json.dumps({"model": classifier.digest, "attributes": words})
    home = ResumableFolder(
        LocalFolder(folder / classifier.digest[:16]), identity, "predictions of this classifier"
    )
    known = _read(home, len(classifier.attributes))
    places: dict[str, int] = {}
    for row, digest in enumerate(pictures.digests):
        places.setdefault(digest, row)
    missing = [(digest, row) for digest, row in places.items() if digest not in known]
    done, total = len(places) - len(missing), len(places)
    kept = done
    progress(stage, done, total)

    def predict(bounds: tuple[int, int]) -> dict[str, Row]:
        part = missing[slice(*bounds)]
        found = _predict_batch(classifier, pictures.images([row for _, row in part]))
        rows = dict(zip([digest for digest, _ in part], found, strict=True))
        _write(home, {d: r for d, r in rows.items() if FAILED not in r[0]})
        return rows

    with closing(ordered_map(predict, batches(0, len(missing), batch), workers)) as results:
        for rows in results:
            known.update(rows)
            done += len(rows)
            progress(stage, done, total)
    all_rows = [known[digest] for digest in pictures.digests]
    shape = (len(all_rows), len(classifier.attributes))
    levels = np.array([row[0] for row in all_rows], np.int8).reshape(shape)
    confidence = np.array([row[1] for row in all_rows], np.float32).reshape(shape)
    scores = np.array([row[2] for row in all_rows], np.float32).reshape(shape)
    failed = sum(FAILED in known[digest][0] for digest in places)
    return Predictions(
        tuple(classifier.attributes),
        levels,
        confidence,
        len(missing),
        kept,
        failed,
        time.perf_counter() - began,
        scores=scores,
    )


def _predict_batch(classifier: Classifier, images: NDArray[np.uint8]) -> list[Row]:
    """Classify one batch and check every prediction."""
    predictions = classifier.predict(images)
    if len(predictions) != len(classifier.attributes):
        raise ModelOutputError(
            f"output of classifier {classifier.name!r}",
            f"must have one prediction for each of {len(classifier.attributes)} attributes",
            len(predictions),
            "Return one prediction per attribute.",
        )
    for attribute, prediction in zip(classifier.attributes, predictions, strict=True):
        check_prediction(classifier.name, attribute, prediction, len(images))
    levels = np.stack([prediction.levels for prediction in predictions], axis=1)
    confidence = np.stack([p.probabilities.max(axis=1) for p in predictions], axis=1)
    confidence = np.where(levels == FAILED, np.nan, confidence)
    scores = np.stack([prediction.scores for prediction in predictions], axis=1)
    return list(zip(levels.tolist(), confidence.tolist(), scores.tolist(), strict=True))


def _write(home: ResumableFolder, rows: dict[str, Row]) -> None:
    """Write rows as one file, named by the digest of its images."""
    if not rows:
        return
    table = pa.table(
        {
            "image": pa.array(list(rows), pa.string()),
            "levels": pa.array([row[0] for row in rows.values()], pa.list_(pa.int8())),
            "confidence": pa.array([row[1] for row in rows.values()], pa.list_(pa.float32())),
            "scores": pa.array([row[2] for row in rows.values()], pa.list_(pa.float32())),
        }
    )
    name = hashlib.sha256(" ".join(rows).encode()).hexdigest()[:16]
    home.write(f"{name}.parquet", table)


def _read(home: ResumableFolder, attributes: int) -> dict[str, Row]:
    """Read the cached predictions of this classifier."""
    known: dict[str, Row] = {}
    for file in sorted(name for name in home.home.names() if name.endswith(".parquet")):
        table = home.read(file)
        if "scores" not in table.column_names:
            continue  # Written before scores were kept: asked again.
        with home.intact(file):
            columns = [table[name].to_pylist() for name in _COLUMNS]
            for image, *row in zip(*columns, strict=True):
                if any(len(values) != attributes for values in row):
                    raise ValueError(f"{list(map(len, row))} values of an image")
                known[image] = (row[0], row[1], row[2])
    return known

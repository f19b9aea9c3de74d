"""Answers of one classifier on disk, a file for each batch of images that it was asked about.

A row holds the answers on one image, which its digest names. An image without an answer has a row
of failures, and counts as not asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.base import FAILED, Classifier
from equipoise.classifiers.panel import check_prediction
from equipoise.core.errors import ModelOutputError
from equipoise.core.folders import LocalFolder
from equipoise.core.resumable import ResumableFolder

HOLDS = "predictions of this classifier"

_COLUMNS = ("image", "levels", "confidence", "scores")

Row = tuple[list[int], list[float], list[float]]
"""The level, the confidence and the score of each attribute, for one image."""


def answers_home(classifier: Classifier, folder: Path) -> ResumableFolder:
    """Return where the answers of a classifier are kept in a folder of those of several."""
    words = [(attribute.name, attribute.levels) for attribute in classifier.attributes]
    identity = json.dumps({"model": classifier.digest, "attributes": words})
    return ResumableFolder(LocalFolder(folder / classifier.digest[:16]), identity, HOLDS)


def answers_name(digests: Sequence[str]) -> str:
    """Return the name, without a suffix, of the file of the answers on some images."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def ask(
    classifier: Classifier,
    images: NDArray[np.uint8],
    digests: Sequence[str],
    home: ResumableFolder,
) -> None:
    """Classify one batch, check every prediction, and keep all of them in one file.

    Parameters
    ----------
    classifier : Classifier
    images : numpy.ndarray, shape (n, 3, height, width), uint8
    digests : sequence of str
        One for each image.
    home : ResumableFolder
        As of `answers_home`.

    Raises
    ------
    ModelOutputError
        When a prediction has a wrong shape, level or range.
    StorageError
        When the file cannot be written.
    """
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
    table = pa.table(
        {
            "image": pa.array(list(digests), pa.string()),
            "levels": pa.array(levels.tolist(), pa.list_(pa.int8())),
            "confidence": pa.array(confidence.tolist(), pa.list_(pa.float32())),
            "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
        }
    )
    home.write(f"{answers_name(digests)}.parquet", table)


def answered(row: Row | None) -> bool:
    """Return whether a row has an answer on every attribute."""
    return row is not None and FAILED not in row[0]


def read_answers(
    home: ResumableFolder, attributes: int, files: Iterable[str] | None = None
) -> dict[str, Row]:
    """Return the rows of some files, by image; where an image has several, one with answers.

    Parameters
    ----------
    home : ResumableFolder
    attributes : int
        How many the classifier predicts.
    files : iterable of str, optional
        All by default.

    Raises
    ------
    FileFormatError
        When a file is missing or damaged.
    """
    known: dict[str, Row] = {}
    if files is None:
        files = sorted(name for name in home.home.names() if name.endswith(".parquet"))
    for file in files:
        table = home.read(file)
        if "scores" not in table.column_names:
            continue  # Written before scores were kept: asked again.
        with home.intact(file):
            columns = [table[name].to_pylist() for name in _COLUMNS]
            for image, *row in zip(*columns, strict=True):
                if any(len(values) != attributes for values in row):
                    raise ValueError(f"{list(map(len, row))} values of an image")
                if not answered(known.get(image)):
                    known[image] = (row[0], row[1], row[2])
    return known


def columns_of(
    rows: Mapping[str, Row], digests: Sequence[str], attributes: int
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Return levels, confidence and scores of images, each of shape (n, attributes)."""
    found = [rows[digest] for digest in digests]
    shape = (len(found), attributes)
    return (
        np.array([row[0] for row in found], np.int8).reshape(shape),
        np.array([row[1] for row in found], np.float32).reshape(shape),
        np.array([row[2] for row in found], np.float32).reshape(shape),
    )

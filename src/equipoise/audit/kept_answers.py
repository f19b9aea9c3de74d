"""Answers on disk, a file for each batch of images that was asked about; those of classifiers.

A row holds the answers on one image, which its digest names. An image without an answer has a row
of failures, and counts as not asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.base import FAILED, NO_FACE, Classifier, KeepsAnswers
from equipoise.classifiers.models import AnyClassifierAddress
from equipoise.classifiers.panel import check_prediction
from equipoise.core.attributes import UNKNOWN
from equipoise.core.errors import ModelOutputError
from equipoise.core.folders import LocalFolder
from equipoise.core.resumable import ResumableFolder

_HOLDS = "predictions of this classifier"

_COLUMNS = ("image", "levels", "confidence", "scores")

_SECONDS = "seconds"


@dataclass(frozen=True)
class Row:
    """The answer on one image.

    Attributes
    ----------
    levels : list of int
        Of each attribute; likewise `confidence` and `scores`.
    confidence, scores : list of float
    seconds : float
        Time of the response; NaN where it was not measured.
    """

    levels: list[int]
    confidence: list[float]
    scores: list[float]
    seconds: float


def answers_name(digests: Sequence[str]) -> str:
    """Return the name, without a suffix, of the file of the answers on some images."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]


def keep(home: ResumableFolder, digests: Sequence[str], answers: Mapping[str, pa.Array]) -> None:
    """Keep the answers on one batch of images, columns of a row each, in one file.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    images = {"image": pa.array(list(digests), pa.string())}
    home.write(f"{answers_name(digests)}.parquet", pa.table({**images, **answers}))


def kept_tables(
    home: ResumableFolder, files: Iterable[str] | None = None
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name and the table of some files of answers, by default of all.

    Raises
    ------
    FileFormatError
        When a file is missing or damaged.
    """
    if files is None:
        files = sorted(name for name in home.home.names() if name.endswith(".parquet"))
    for file in files:
        yield file, home.read(file)


@dataclass(frozen=True)
class AskedClassifier:
    """A classifier that is asked, as `Asked`."""

    classifier: Classifier

    def home(self, folder: Path) -> ResumableFolder:
        """Return where its answers are kept in a folder of those of several."""
        words = [(one.name, one.levels) for one in self.classifier.attributes]
        digest = self.classifier.digest
        if isinstance(self.classifier, KeepsAnswers):
            # Its answers once had no level for "no face", and cost nothing to read again.
            digest = hashlib.sha256(f"{digest} with {NO_FACE}".encode()).hexdigest()
        identity = json.dumps({"model": digest, "attributes": words})
        return ResumableFolder(LocalFolder(folder / digest[:16]), identity, _HOLDS)

    def answers(self, images: NDArray[np.uint8]) -> dict[str, pa.Array]:
        """Classify images, and check every prediction.

        Raises
        ------
        ModelOutputError
            When a prediction has a wrong shape, level or range.
        """
        name, attributes = self.classifier.name, self.classifier.attributes
        predictions = self.classifier.predict(images)
        if len(predictions) != len(attributes):
            raise ModelOutputError(
                f"output of classifier {name!r}",
                f"must have one prediction for each of {len(attributes)} attributes",
                len(predictions),
                "Return one prediction per attribute.",
            )
        for attribute, prediction in zip(attributes, predictions, strict=True):
            check_prediction(name, attribute, prediction, len(images))
        levels = np.stack([prediction.levels for prediction in predictions], axis=1)
        confidence = np.stack([p.probabilities.max(axis=1) for p in predictions], axis=1)
        confidence = np.where(levels < UNKNOWN, np.nan, confidence)
        scores = np.stack([prediction.scores for prediction in predictions], axis=1)
        found = {
            "levels": pa.array(levels.tolist(), pa.list_(pa.int8())),
            "confidence": pa.array(confidence.tolist(), pa.list_(pa.float32())),
            "scores": pa.array(scores.tolist(), pa.list_(pa.float32())),
        }
        seconds = predictions[0].seconds
        return found if seconds is None else {**found, _SECONDS: pa.array(seconds, pa.float32())}


@dataclass(frozen=True)
class AskedByAddress:
    """The address of a classifier that is asked."""

    address: AnyClassifierAddress

    def open(self) -> AskedClassifier:
        """Open the classifier, as its address does."""
        return AskedClassifier(self.address.open())


def answered(row: Row | None) -> bool:
    """Return whether a row has an answer on every attribute."""
    return row is not None and FAILED not in row.levels


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
    for file, table in kept_tables(home, files):
        if "scores" not in table.column_names:
            continue  # Written before scores were kept: asked again.
        with home.intact(file):
            columns = [table[name].to_pylist() for name in _COLUMNS]
            times = [np.nan] * table.num_rows
            if _SECONDS in table.column_names:
                times = table[_SECONDS].cast(pa.float32()).to_pylist()
            for image, *row, seconds in zip(*columns, times, strict=True):
                if any(len(values) != attributes for values in row):
                    raise ValueError(f"{list(map(len, row))} values of an image")
                if not answered(known.get(image)):
                    took = np.nan if seconds is None else seconds
                    known[image] = Row(row[0], row[1], row[2], took)
    return known


def columns_of(
    rows: Mapping[str, Row], digests: Sequence[str], attributes: int
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Return levels, confidence and scores of images, each of shape (n, attributes)."""
    found = [rows[digest] for digest in digests]
    shape = (len(found), attributes)
    return (
        np.array([row.levels for row in found], np.int8).reshape(shape),
        np.array([row.confidence for row in found], np.float32).reshape(shape),
        np.array([row.scores for row in found], np.float32).reshape(shape),
    )

"""A classifier's predictions on the images of an audit, cached on disk, by threads or an engine.

ANSWERS/<model>/<batch>.parquet holds one row per image, identified by its digest. Who classified a
batch writes it in one step, so an interrupted audit resumes from complete batches. The images are
cut into the same batches every time, so their files are the same on every engine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_shards import BATCH, ask_missing
from equipoise.audit.images import Pictures
from equipoise.audit.kept_answers import (
    AskedByAddress,
    AskedClassifier,
    answered,
    columns_of,
    read_answers,
)
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import AnyClassifierAddress
from equipoise.core.alone import alone
from equipoise.core.attributes import UNKNOWN, Attribute
from equipoise.core.progress import Execution
from equipoise.engines import by_address


@dataclass(frozen=True, eq=False)
class Predictions:
    """A classifier's predictions of A attributes for n images.

    Attributes
    ----------
    attributes : tuple of Attribute
        The attributes that it predicts.
    levels : numpy.ndarray, shape (n, A), int8
        -1 where it abstained, `FAILED` where it failed, `NO_FACE` where it found none.
    confidence : numpy.ndarray, shape (n, A), float32
        The highest probability, in [0, 1]; NaN where it gave none.
    asked, kept, failed : int
        Images classified by this call, images found in the cache, and images without an answer.
    seconds : float
        Wall time of the call.
    responses : numpy.ndarray, shape (n,), float32, or None
        Seconds of the response to each image; NaN where it is not known.
    scores : numpy.ndarray, shape (n, A), float32, or None
        As of `Prediction`, NaN where it gave none; None where answers are words.
    caveats : tuple of str
        What reports say of answers that nothing binds to the images.
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
    caveats: tuple[str, ...] = ()


def predict_cached(
    classifier: Classifier,
    pictures: Pictures,
    folder: Path,
    *,
    batch: int = BATCH,
    stage: str = "predict",
    address: AnyClassifierAddress | None = None,
    execution: Execution = Execution(),
) -> Predictions:
    """Classify every image that the cache lacks, and return the predictions of all images.

    Images that failed count as lacking, so the next call repeats them. Equal images are classified
    once.

    Parameters
    ----------
    classifier : Classifier
        Called from several threads.
    pictures : Pictures
        With an engine `PictureFiles`, which its workers must reach under the same paths.
    folder : Path
        Caches the predictions of any number of classifiers; created when missing.
    batch : int
        Images per call.
    stage : str
        Name of the stage in progress.
    address : ClassifierAddress or PanelClassifierAddress, optional
        By which workers of an engine open the classifier.
    execution : Execution
        Threads, engine and progress, of classified images. Neither predictions nor their files
        depend on it.

    Raises
    ------
    InputError
        When an engine is given without an address, or a worker opens another classifier.
    ModelOutputError
        When a prediction has a wrong shape, level or range.
    FileFormatError
        When the cache is damaged, or an image cannot be decoded.
    StorageError
        When a file cannot be written; predictions written so far stay.
    WorkerError
        When workers cannot start, or shards were set aside; the other predictions stay.
    """
    began = time.perf_counter()
    count = len(classifier.attributes)
    asked = AskedClassifier(classifier)
    home = asked.home(folder)
    digests = set(pictures.digests)
    with alone(home.home):  # Else what another process pays for now would be paid for twice.
        known = read_answers(home, count)
        missing = {digest for digest in digests if not answered(known.get(digest))}
        new = ask_missing(
            asked,
            pictures,
            home,
            missing,
            lambda: AskedByAddress(
                by_address(address, f"classifier {classifier.name!r}", "ClassifierAddress")
            ),
            batch=batch,
            stage=stage,
            execution=execution,
        )
        known |= read_answers(home, count, new)
    levels, confidence, scores = columns_of(known, pictures.digests, count)
    responses = np.array([known[digest].seconds for digest in pictures.digests], np.float32)
    return Predictions(
        tuple(classifier.attributes),
        levels,
        confidence,
        asked=len(missing),
        kept=len(digests) - len(missing),
        failed=sum(min(known[digest].levels) < UNKNOWN for digest in digests),
        seconds=time.perf_counter() - began,
        scores=scores,
        responses=responses if np.isfinite(responses).any() else None,
    )

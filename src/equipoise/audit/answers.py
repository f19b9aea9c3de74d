"""A classifier's predictions on the images of an audit, cached on disk, by threads or an engine.

ANSWERS/<model>/<batch>.parquet holds one row per image, identified by its digest. Who classified a
batch writes it in one step, so an interrupted audit resumes from complete batches. The images are
cut into the same batches every time, so their files are the same on every engine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.answer_shards import answers_on
from equipoise.audit.images import Pictures
from equipoise.audit.kept_answers import (
    answered,
    answers_home,
    answers_name,
    ask,
    columns_of,
    read_answers,
)
from equipoise.classifiers.base import Classifier
from equipoise.classifiers.models import ClassifierAddress
from equipoise.core.attributes import Attribute
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Engine, Execution
from equipoise.engines import Finished, ResumedTask, Shard
from equipoise.labelling.image_files import PictureFiles

BATCH = 64
"""Images per call of a classifier, and per file; chosen by hand."""


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
    stage: str = "predict",
    address: ClassifierAddress | None = None,
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
    address : ClassifierAddress, optional
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
    home = answers_home(classifier, folder)
    known = read_answers(home, count)
    # Of equal images, the first is asked about.
    first: dict[str, int] = {}
    for row, digest in enumerate(pictures.digests):
        first.setdefault(digest, row)
    digests, rows = list(first), list(first.values())
    missing = np.array([not answered(known.get(digest)) for digest in digests], bool)

    def lacking(shard: Shard) -> list[int]:
        """Return the rows of a batch that have no answer yet."""
        own = slice(shard.start, shard.stop)
        return [row for row, lacks in zip(rows[own], missing[own], strict=True) if lacks]

    def file(shard: Shard) -> str:
        return f"{answers_name([pictures.digests[row] for row in lacking(shard)])}.parquet"

    asking = ResumedTask(
        home.home,
        len(digests),
        batch,
        file=lambda number: file(Shard(number, number * batch, (number + 1) * batch)),
        done_rows=lambda shard: 0 if lacking(shard) else shard.rows,
        report=lambda done, total: execution.progress(stage, done, total),
    )

    def by_threads() -> Iterator[Finished]:
        def predict(shard: Shard) -> Finished:
            own = lacking(shard)
            digests = [pictures.digests[row] for row in own]
            ask(classifier, pictures.images(own), digests, home)
            return Finished(shard)

        with closing(ordered_map(predict, asking.missing(), execution.workers)) as results:
            yield from results

    def on_engine(engine: Engine) -> Iterator[Finished]:
        assert isinstance(pictures, PictureFiles)
        work = asking.missing()
        yield from answers_on(engine, classifier, address, pictures, home, work, lacking)

    home.home.prepare()
    asking.on_rows(0)
    asking.finish(by_threads() if execution.engine is None else on_engine(execution.engine))
    new = [
        file(Shard(number, *bounds))
        for number, bounds in enumerate(batches(0, len(digests), batch))
        if missing[slice(*bounds)].any()
    ]
    known |= read_answers(home, count, new)
    levels, confidence, scores = columns_of(known, pictures.digests, count)
    return Predictions(
        tuple(classifier.attributes),
        levels,
        confidence,
        asked=int(missing.sum()),
        kept=int((~missing).sum()),
        failed=sum(not answered(known[digest]) for digest in digests),
        seconds=time.perf_counter() - began,
        scores=scores,
    )

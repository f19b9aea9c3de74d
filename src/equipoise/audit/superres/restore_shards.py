"""Batches of images that are restored and stored: in this process, or by workers of an engine.

What a worker restores is in a small file beside the restored images, until it is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.models.base import SuperResolutionModel, restore
from equipoise.audit.superres.models.bicubic import reduced
from equipoise.core.files import parse_json
from equipoise.core.folders import LocalFolder
from equipoise.core.parallel import one_thread
from equipoise.core.progress import Engine
from equipoise.core.synthetic_mark import packet
from equipoise.engines import Finished, Shard, ShardInputs, by_address, check_opened, run
from equipoise.labelling.image_files import PictureFiles
from equipoise.samplers.export.png import png

_NEXT_TRY = 2**32
"""Offset of the index between two restorations of an image: more than the rows of any audit."""


@dataclass(frozen=True)
class Job:
    """Restoration number `attempt` of rows start to stop - 1."""

    start: int
    stop: int
    attempt: int


def restored_name(row: int, attempt: int) -> str:
    """Return the name of the file of a restored image."""
    return f"{row:06d}-{attempt}.png"


def restore_job(
    restorer: SuperResolutionModel,
    originals: NDArray[np.uint8],
    job: Job,
    seed: int,
    home: LocalFolder,
) -> None:
    """Reduce the originals of a job, shape (n, 3, height, width), restore and store them."""
    low = reduced(originals, restorer.factor)
    rows = np.arange(job.start, job.stop, dtype=np.int64)
    images = restore(restorer, low, seed, rows + job.attempt * _NEXT_TRY)
    for row, image in zip(rows.tolist(), images, strict=True):
        with home.writing(restored_name(row, job.attempt)) as part:
            part.write_bytes(png(image, packet()))


def restore_on(
    engine: Engine,
    restorer: SuperResolutionModel,
    address: RestorerAddress | None,
    pictures: PictureFiles,
    jobs: Mapping[int, Job],
    seed: int,
    home: LocalFolder,
) -> Generator[Finished, None, None]:
    """Do numbered jobs on the workers of an engine, and yield each as it ends.

    Raises
    ------
    InputError
        When there is no address, or a worker opens another model.
    WorkerError
        When workers cannot start.
    """
    opener = by_address(address, f"model {restorer.name!r}", "RestorerAddress")
    folder = home.absolute()
    task = RestoreTask(opener, restorer.digest, seed, folder, pictures.with_files())

    def content(shard: Shard) -> bytes:
        files = [str(file.absolute()) for file in pictures.files[shard.start : shard.stop]]
        return json.dumps([jobs[shard.number].attempt, files]).encode()

    inputs = ShardInputs.of_images(folder)
    shards = (Shard(number, job.start, job.stop) for number, job in jobs.items())
    yield from inputs.taken(run(engine, task, inputs.given(shards, content)))


@dataclass(frozen=True)
class RestoreTask:
    """What a worker needs to restore images.

    Attributes
    ----------
    address : RestorerAddress
    model : str
        Digest of the model. A worker that opens another is refused.
    seed : int
    folder : LocalFolder
        Where restored images are written; every worker must reach it under this name.
    like : PictureFiles
        None, but read as the originals are.
    """

    address: RestorerAddress
    model: str
    seed: int
    folder: LocalFolder
    like: PictureFiles

    def open(self) -> Callable[[Shard], None]:
        """Open the model, and return what restores one batch.

        Raises
        ------
        InputError
            When it is not the model of the audit.
        """
        restorer = self.address.open()
        check_opened("the audit", restorer.digest, self.model)

        def work(shard: Shard) -> None:
            attempt, names = parse_json(ShardInputs.of_images(self.folder).read(shard))
            pictures = self.like.with_files(map(Path, names))
            job = Job(shard.start, shard.stop, int(attempt))
            with one_thread():
                restore_job(
                    restorer, pictures.images(range(shard.rows)), job, self.seed, self.folder
                )

        return work

"""Restored images on disk, and their fidelity by cell.

RESTORED/<model and images>/<row>-<try>.png. Rows are restored in batches of fixed bounds. A batch
that lacks an image is restored again as a whole, so that an interrupted audit gives the same
images.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.audit.images import AuditImages, Pictures
from equipoise.audit.rates import bootstrap_mean
from equipoise.audit.superres.fidelity import diversity, inconsistency, psnr, ssim
from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.models.base import SuperResolutionModel
from equipoise.audit.superres.models.bicubic import FILTER, reduced
from equipoise.audit.superres.record import Fidelity, SuperresSettings
from equipoise.audit.superres.restore_shards import Job, restore_job, restore_on, restored_name
from equipoise.core.folders import LocalFolder
from equipoise.core.parallel import batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.engines import Finished, Shard, set_aside
from equipoise.labelling.image_files import PictureFiles
from equipoise.labelling.picture import read_image

BATCH = 20
"""Images per call of a model; chosen by hand."""


@dataclass(frozen=True, eq=False)
class Restored:
    """Restored images of n originals.

    Attributes
    ----------
    files : tuple of tuple of Path
        The R restorations of each image.
    chosen : numpy.ndarray, shape (n,), int64
        The restoration that is used: the one most consistent with the low-resolution image.
    made, kept : int
        Images restored by this call, and images that were stored.
    seconds : float
        Wall time of the call.
    """

    files: tuple[tuple[Path, ...], ...]
    chosen: NDArray[np.int64]
    made: int
    kept: int
    seconds: float

    def pictures(self) -> PictureFiles:
        """Return the restorations that are used."""
        pairs = zip(self.files, self.chosen.tolist(), strict=True)
        return PictureFiles.of([tries[k] for tries, k in pairs])

    def tries(self, row: int) -> NDArray[np.uint8]:
        """Return all restorations of an image, shape (R, 3, height, width), uint8."""
        return np.stack([read_image(path) for path in self.files[row]])


def restore_all(
    restorer: SuperResolutionModel,
    pictures: Pictures,
    folder: Path,
    *,
    restarts: int = 1,
    seed: int = 0,
    address: RestorerAddress | None = None,
    execution: Execution = Execution(),
) -> Restored:
    """Reduce and restore images, except those that the folder already holds.

    Parameters
    ----------
    restorer : SuperResolutionModel
    pictures : Pictures
        The originals; with an engine `PictureFiles`, which its workers must reach under the same
        paths.
    folder : Path
        Stores the images of any number of models.
    restarts : int
        Restorations per image; 1 for a deterministic model.
    seed : int
        In [0, 2**63). Seed, row and number of the restoration determine the model's randomness.
    address : RestorerAddress, optional
        By which workers of an engine open the model.
    execution : Execution
        Threads, engine and progress, of restored images. The images do not depend on it.

    Raises
    ------
    InputError
        When the factor does not divide the sides of the images, an engine is given without an
        address, or a worker opens another model.
    ModelOutputError
        When the model returns a wrong shape or dtype.
    FileFormatError
        When an image is damaged.
    StorageError
        When a file cannot be written; complete batches stay.
    WorkerError
        When workers cannot start, or batches were set aside; the others stay.
    """
    began = time.perf_counter()
    described = repr((restorer.digest, FILTER, restorer.factor, seed, pictures.digests))
    home = LocalFolder(folder / hashlib.sha256(described.encode()).hexdigest()[:16])
    n = len(pictures.digests)
    files = tuple(tuple(home.path / restored_name(i, k) for k in range(restarts)) for i in range(n))
    bounds = batches(0, n, BATCH)
    # A number means the same job in any call, so that two in one folder do not mix their images.
    jobs = {
        k * len(bounds) + place: Job(low, high, k)
        for place, (low, high) in enumerate(bounds)
        for k in range(restarts)
        if not all(files[i][k].is_file() for i in range(low, high))
    }
    made = sum(job.stop - job.start for job in jobs.values())
    kept, done = n * restarts - made, n * restarts - made
    execution.progress("restore", done, n * restarts)

    def one(numbered: tuple[int, Job]) -> Finished:
        number, job = numbered
        restore_job(restorer, pictures.images(range(job.start, job.stop)), job, seed, home)
        return Finished(Shard(number, job.start, job.stop))

    home.prepare()
    if execution.engine is None:
        results = ordered_map(one, jobs.items(), execution.workers)
    else:
        assert isinstance(pictures, PictureFiles)
        results = restore_on(execution.engine, restorer, address, pictures, jobs, seed, home)
    lost = []
    with closing(results):
        for ended in results:
            if ended.lost:
                lost.append(ended)
                continue
            done += ended.shard.rows
            execution.progress("restore", done, n * restarts)
    if lost:
        raise set_aside(lost)
    chosen = np.zeros(n, np.int64)
    if restarts > 1:
        chosen = _nearest(files, pictures, restorer.factor)
    return Restored(files, chosen, made, kept, time.perf_counter() - began)


def _nearest(files: Sequence[Sequence[Path]], pictures: Pictures, factor: int) -> NDArray[np.int64]:
    """Return the most consistent restoration of each image; of equal ones the first."""
    found = []
    for row, tries in enumerate(files):
        images = np.stack([read_image(path) for path in tries])
        low = np.repeat(reduced(pictures.images([row]), factor), len(images), axis=0)
        found.append(int(inconsistency(images, low, factor).argmin()))
    return np.array(found, np.int64)


def fidelity_by_cell(
    originals: AuditImages,
    restored: Restored,
    names: Sequence[str],
    cells: NDArray[np.int64],
    settings: SuperresSettings,
) -> tuple[Fidelity, ...]:
    """Return the mean fidelity of each cell that has images, with bootstrap intervals.

    Parameters
    ----------
    originals : AuditImages
        n images.
    restored : Restored
        Of these images.
    names : sequence of str
        The K cells.
    cells : numpy.ndarray, shape (n,), int64
        The cell of each original.
    settings : SuperresSettings
    """
    parts = []
    for low, high in batches(0, len(originals), BATCH):
        rows = range(low, high)
        images, tries = originals.images(rows), np.stack([restored.tries(row) for row in rows])
        best = tries[np.arange(len(rows)), restored.chosen[low:high]]
        apart = inconsistency(best, reduced(images, settings.factor), settings.factor)
        parts.append([psnr(best, images), ssim(best, images), apart, diversity(tries)])
    values = np.concatenate(parts, axis=1)
    found = []
    for k in np.unique(cells).tolist():
        near, alike, off, spread = (
            bootstrap_mean(own[~np.isnan(own)], seed=settings.seed, key=k)
            for own in values[:, cells == k]
        )
        found.append(
            Fidelity(
                name=names[k],
                n=int((cells == k).sum()),
                psnr=near,
                ssim=alike,
                inconsistency=off,
                diversity=spread,
            )
        )
    return tuple(found)

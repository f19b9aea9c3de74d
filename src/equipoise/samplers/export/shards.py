"""Drawn images as a WebDataset: a folder of tars, which workers of any engine write side by side.

Shard k is `0000k.tar`, with its metadata as `0000k.parquet` and its completion record beside it. A
stopped export goes on with the shards that are not done, to the same bytes. Keys are the numbers of
the images in the whole data set.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.completion import completing, read_completion
from equipoise.core.devices import device_type
from equipoise.core.errors import InputError, check_count
from equipoise.core.folders import Folder, LocalFolder, open_folder
from equipoise.core.progress import Execution
from equipoise.core.resumable import DEVICE, alike, device_remedy
from equipoise.engines import Finished, ResumedTask, Shard, check_opened, run
from equipoise.samplers.draw import Batches, one_shot
from equipoise.samplers.export.description import describe_export
from equipoise.samplers.export.formats import write_tar
from equipoise.samplers.file import load_sampler
from equipoise.samplers.filling import Position
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.remote_file import shared_name
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.verified import SHARED_CODES, verified

SHARD_SIZE = 10_000
"""Images of a shard by default."""

_INDEXES = 2000
"""Draws that each verified image may try, its own and no other's: `verified` tries no more."""


def shard_counts(
    request: DrawRequest, sampler: Sampler, shard: Shard
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many images of each cell a shard of verified draws holds, and those before it.

    Each shard takes the cells from their exact counts before it to those after it, whatever is
    drawn later. Exact counts never fall from one shard to the next where a whole shard has an image
    of each cell. In a last shard that is shorter they may: then the cells that would be farthest
    above their share give way.

    Parameters
    ----------
    request : DrawRequest
        Its `n` does not matter.
    sampler : Sampler
    shard : Shard

    Returns
    -------
    wanted, before : numpy.ndarray, each shape (K,), int64
    """
    before = replace(request, n=shard.start).counts(sampler)
    wanted = np.maximum(replace(request, n=shard.stop).counts(sampler) - before, 0)
    while wanted.sum() > shard.rows:
        above = before + wanted - sampler.target.shares * shard.stop
        wanted[np.where(wanted > 0, above, -np.inf).argmax()] -= 1
    return wanted, before


@dataclass(frozen=True)
class ExportTask:
    """What a worker needs to write shards of an export.

    Attributes
    ----------
    addresses : ModelAddresses
    sampler : Path
        The sampler's file.
    request : DrawRequest
        All draws of the export.
    folder : Folder
        Where the worker writes; every worker must reach it under this name.
    identity : str
        Of the export. A worker that opens another sampler or other models is refused.
    """

    addresses: ModelAddresses
    sampler: Path
    request: DrawRequest
    folder: Folder
    identity: str

    def open(self) -> Callable[[Shard], None]:
        """Open the models and the sampler, and return what writes one shard.

        Raises
        ------
        InputError
            When they are not those of the export.
        """
        models = self.addresses.open()
        sampler = load_sampler(self.sampler, models.generator)
        size = int(json.loads(self.identity)["shard_size"])
        own = replace(self, identity=_identity(sampler, models, self.request, size))
        check_opened("the export", own.identity, self.identity, models.may_differ)
        return lambda shard: own.write(sampler, models, shard)

    def write(
        self,
        sampler: Sampler,
        models: Models,
        shard: Shard,
        execution: Execution = Execution(),
    ) -> None:
        """Write one shard by opened models."""
        began, name = time.monotonic(), shard_name(shard.number)
        done = {"identity": self.identity, "device": models.generator.device}
        rows: list[dict[str, Any]] = []
        with (
            closing(_drawn(sampler, models, self.request, shard, execution)) as drawn,
            completing(
                self.folder, name, rows=shard.rows, total=self.request.n, began=began, **done
            ) as part,
        ):
            write_tar(drawn, sampler.generator, self.request, part, start=shard.start, rows=rows)
            with self.folder.writing(table_name(shard.number)) as beside:
                pq.write_table(pa.Table.from_pylist(rows), beside, compression="zstd")


def shard_name(number: int) -> str:
    """Return the name of the tar of a shard."""
    return f"{number:05d}.tar"


def table_name(number: int) -> str:
    """Return the name of the metadata of a shard."""
    return f"{number:05d}.parquet"


def _drawn(
    sampler: Sampler, models: Models, request: DrawRequest, shard: Shard, execution: Execution
) -> Batches:
    """Return the draws of a shard. Each verified image has draws of its own to choose from."""
    if not request.verified:
        return one_shot(
            sampler,
            models,
            shard.rows,
            request.seed,
            cell=request.cell,
            start=shard.start,
            workers=execution.workers,
        )
    wanted, before = shard_counts(request, sampler, shard)
    return verified(
        sampler,
        models,
        wanted,
        request.seed,
        faithful=request.faithful,
        sharing=request.cell is None,
        start=Position(np.full_like(before, shard.start * SHARED_CODES), before * _INDEXES),
        execution=Execution(execution.workers),
    )


def _identity(sampler: Sampler, models: Models, request: DrawRequest, size: int) -> str:
    """Return all that determines the bytes of the shards, as JSON; not the number of images."""
    drawn = sampler.for_verified(request.faithful) if request.verified else sampler
    cell = request.cell and sampler.grid.cells[sampler.grid.index(request.cell)]
    given = {**asdict(request), "n": None, "cell": cell, "faithful": None}
    return json.dumps(
        {
            **given,
            "sampler": drawn.digest,
            "panel": models.panel.digest,
            DEVICE: device_type(models.generator.device),
            "shard_size": size,
        },
        sort_keys=True,
    )


def write_shards(
    sampler: Path,
    opened: tuple[Sampler, Models],
    request: DrawRequest,
    folder: Path | str | Folder,
    *,
    shard_size: int = SHARD_SIZE,
    execution: Execution = Execution(),
) -> Folder:
    """Write draws as tars of `shard_size` images, those that the folder lacks.

    Parameters
    ----------
    sampler : Path
        The sampler's file, which workers read.
    opened : tuple of Sampler and Models
        The same sampler, bound to its generator, and the models, opened by address.
    request : DrawRequest
    folder : Path, str or Folder
        A path, or an address such as s3://bucket/faces; created when missing. A larger `n` adds
        to what it holds.
    shard_size : int
        Images of a shard, at least 1; of verified draws, as many as hold one of each cell.
    execution : Execution
        Threads, engine and progress. The bytes do not depend on it.

    Returns
    -------
    Folder
        `folder`.

    Raises
    ------
    InputError
        When the request breaks a rule, or the folder holds another export.
    StorageError
        When the disk or the store fails; shards that are done are kept.
    InsufficientLabelsError
        When a cell yields too few verified images.
    WorkerError
        When workers cannot start, or shards were set aside; the others are kept.
    """
    loaded, models = opened
    n = check_count("n", request.n, "Pass --n 1000.")
    size = check_count("shard-size", shard_size, f"Pass --shard-size {SHARD_SIZE}.")
    loaded.check_models(models)
    _check_size(size, loaded, request)
    home = open_folder(folder)
    if isinstance(home, LocalFolder) and home.path.exists() and not home.path.is_dir():
        raise InputError(f"path {folder}", "must be a folder", "a file", "Choose another --out.")
    addresses = models.shared_addresses
    identity = _identity(loaded, models, request, size)
    # A bad request fails before a file is made.
    loaded.draw(1, request.seed, cell=request.cell)
    task = ExportTask(addresses, shared_name(sampler), request, home.absolute(), identity)
    # Shards are looked at as they are asked for; those that would be too long, before all. A
    # listing may lack the newest, so the next is asked for by name.
    last = (n - 1) // size
    ends = (Shard(last, last * size, n), Shard(last + 1, n, n))
    held = [int(name[:-4]) for name in home.names() if re.fullmatch(r"\d{5,9}\.tar", name)]
    if max(held, default=0) > last or any(_done_rows(task, shard) > shard.rows for shard in ends):
        raise InputError(
            "n",
            f"must be at least what {home} holds already",
            n,
            "Choose another folder with --out, or a larger --n.",
        )
    home.prepare()
    export = ResumedTask(
        home,
        n,
        size,
        file=shard_name,
        done_rows=lambda shard: _done_rows(task, shard),
        report=lambda done, total: execution.progress("draw", done, total),
    )
    export.finish(
        _here(task, loaded, models, export.missing(), execution)
        if execution.engine is None
        else run(execution.engine, task, export.missing())
    )
    drawn = loaded.for_verified(request.faithful) if request.verified else loaded
    tables = [table_name(number) for number in range(last + 1)]
    describe_export(home, tables, drawn, models, request)
    return home


def _check_size(size: int, sampler: Sampler, request: DrawRequest) -> None:
    """Check that a whole shard of verified draws has an image of each wanted cell."""
    shares = sampler.target.shares
    least = math.ceil(1 / shares[shares > 0].min() - 1e-9)
    if request.verified and request.cell is None and size < least:
        raise InputError(
            "shard-size",
            f"must be at least {least:,}, for a verified image of each cell in a shard",
            size,
            f"Pass --shard-size {SHARD_SIZE}, or more.",
        )


def _here(
    task: ExportTask,
    sampler: Sampler,
    models: Models,
    shards: Iterator[Shard],
    execution: Execution,
) -> Iterator[Finished]:
    """Write shards in this process, one after the other."""
    for shard in shards:
        task.write(sampler, models, shard, execution)
        yield Finished(shard)


def _done_rows(task: ExportTask, shard: Shard) -> int:
    """Return the images of a shard that is done, 0 where it is not.

    Raises
    ------
    InputError
        When it is of another export.
    """
    found = read_completion(task.folder, shard_name(shard.number))
    if found is None:
        return 0
    may_differ = frozenset({DEVICE} if task.addresses.mixed_devices else ())
    if not alike(found.identity, task.identity, may_differ):
        raise InputError(
            f"folder {task.folder}",
            f"must be empty or hold shards of this export, {task.identity}",
            found.identity[:2000],
            device_remedy(found.identity, task.identity)
            or "Choose another --out, or the same sampler, seed, cell and --shard-size.",
        )
    return found.rows

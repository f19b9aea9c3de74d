"""Label shards of codes: in this process batch by batch, or in a worker that opens the models."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.folders import Folder
from equipoise.core.labels import Labels, concatenate, to_columns
from equipoise.core.parallel import ahead, batches, ordered_map
from equipoise.core.resumable import ResumableFolder
from equipoise.engines import Shard, check_opened
from equipoise.generators.base import generate

SHARD_ROWS = 2048

Codes = Callable[[int, int], NDArray[np.float32]]
"""`codes(start, stop)` returns codes start to stop - 1, shape (stop - start, dim), float32."""


def shard_name(number: int) -> str:
    """Return the name of the file of a shard."""
    return f"labels-{number:05d}.parquet"


def prior_codes(models: Models, seed: int) -> Codes:
    """Return the codes of the prior under a seed."""
    return lambda start, stop: models.generator.prior.codes(seed, start, stop)


def prior_source(seed: int) -> str:
    """Return the name of the codes of the prior under a seed."""
    return f"prior, seed {seed}"


def label_folder(models: Models, codes: Codes, source: str, folder: Folder) -> ResumableFolder:
    """Return the folder of the labels of some codes, which refuses those of others."""
    generator = models.generator
    # Codes are computed again when labels are used; a library that changes them must be noticed.
    first = np.ascontiguousarray(codes(0, 1))
    identity = json.dumps(
        {
            "generator": generator.digest,
            "device": generator.device,
            "panel": models.panel.digest,
            "codes": source,
            "first_code": hashlib.sha256(first.tobytes()).hexdigest()[:16],
            "batch_size": generator.batch_size,
        },
        sort_keys=True,
    )
    return ResumableFolder(folder, identity, "labels of this run")


def label_shards(
    models: Models,
    codes: Codes,
    shards: Iterable[Shard],
    stored: ResumableFolder,
    total: int,
    *,
    workers: int | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> None:
    """Label shards in order, and store each when it is whole.

    Parameters
    ----------
    models : Models
    codes : callable
        Called from one thread, with rising numbers.
    shards : iterable of Shard
        Read from another thread, a little in advance.
    stored : ResumableFolder
    total : int
        Rows of the whole task.
    workers : int, optional
        Threads.
    on_rows : callable
        Called with the rows of each batch that is labelled.
    """
    generator, panel = models.generator, models.panel

    def label(item: tuple[Shard, NDArray[np.float32]]) -> tuple[Shard, Labels]:
        shard, batch = item
        return shard, panel.predict(generate(generator, batch))

    work = (
        (shard, codes(*bounds))
        for shard in shards
        for bounds in batches(shard.start, shard.stop, generator.batch_size)
    )
    parts: list[Labels] = []
    began = time.monotonic()
    with (
        closing(ahead(work, generator.batch_size)) as made,
        closing(ordered_map(label, made, workers)) as results,
    ):
        for shard, labels in results:
            parts.append(labels)
            on_rows(len(labels))
            if sum(map(len, parts)) < shard.rows:
                continue
            table, name = _table(concatenate(parts), shard.start), shard_name(shard.number)
            stored.write_shard(name, table, total=total, device=generator.device, began=began)
            parts, began = [], time.monotonic()


def _table(labels: Labels, start: int) -> pa.Table:
    """Return labels as a table, with the index of each code."""
    index = pa.array(np.arange(start, start + len(labels)))
    return pa.table({"index": index, **to_columns(labels)})


@dataclass(frozen=True)
class LabelTask:
    """What a worker needs to label shards of the prior's codes.

    Attributes
    ----------
    addresses : ModelAddresses
    seed : int
    folder : Folder
        Where the worker writes; every worker must reach it under this name.
    identity : str
        Of the folder. A worker that opens other models is refused.
    total : int
        Rows of the whole task.
    """

    addresses: ModelAddresses
    seed: int
    folder: Folder
    identity: str
    total: int

    def open(self) -> Callable[[Shard], None]:
        """Open the models, and return what labels one shard.

        Raises
        ------
        InputError
            When the models are not those of the folder.
        """
        models = self.addresses.open()
        codes = prior_codes(models, self.seed)
        stored = label_folder(models, codes, prior_source(self.seed), self.folder)
        check_opened("the run", stored.identity, self.identity)
        return lambda shard: label_shards(models, codes, [shard], stored, self.total)

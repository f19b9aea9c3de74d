"""Label shards of codes: in this process batch by batch, or in a worker that opens the models."""

from __future__ import annotations

import hashlib
import io
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
from equipoise.core.progress import Engine
from equipoise.core.resumable import ResumableFolder
from equipoise.engines import ResumedTask, Shard, ShardInputs, check_opened, run
from equipoise.generators.base import generate

SHARD_ROWS = 2048

Codes = Callable[[int, int], NDArray[np.float32]]
"""`codes(start, stop)` returns codes start to stop - 1, shape (stop - start, dim), float32."""


def shard_name(number: int) -> str:
    """Return the name of the file of a shard."""
    return f"labels-{number:05d}.parquet"


@dataclass(frozen=True)
class CodeSource:
    """Codes to label.

    Attributes
    ----------
    name : str
        Names the codes. A folder of labels must not hold those of another source.
    codes : callable
        See `Codes`. It is called from one thread, with rising numbers.
    prior_seed : int or None
        Of codes of the prior, which workers make themselves. Others are handed to them as files.
    """

    name: str
    codes: Codes
    prior_seed: int | None = None


def prior_source(models: Models, seed: int) -> CodeSource:
    """Return the codes of the prior under a seed."""
    prior = models.generator.prior
    return CodeSource(
        f"prior, seed {seed}", lambda start, stop: prior.codes(seed, start, stop), seed
    )


def label_folder(models: Models, source: CodeSource, folder: Folder) -> ResumableFolder:
    """Return the folder of the labels of some codes, which refuses those of others."""
    # Codes are computed again when labels are used; a library that changes them must be noticed.
    first = np.ascontiguousarray(source.codes(0, 1))
    identity = {
        **models.identity,
        "codes": source.name,
        "first_code": hashlib.sha256(first.tobytes()).hexdigest()[:16],
    }
    text = json.dumps(identity, sort_keys=True)
    return ResumableFolder(folder, text, "labels of this run", models.may_differ)


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


def label_on(
    engine: Engine,
    models: Models,
    source: CodeSource,
    stored: ResumableFolder,
    labelled: ResumedTask,
) -> None:
    """Label the shards that a folder lacks on the workers of an engine.

    Raises
    ------
    InputError
        When the models have no addresses, or a worker opens others.
    WorkerError
        When workers cannot start, or shards were set aside; the others are kept.
    """
    addresses = models.shared_addresses
    home, total, seed = stored.home.absolute(), labelled.total, source.prior_seed
    task = LabelTask(addresses, seed, home, stored.identity, total)

    if seed is not None:
        labelled.finish(run(engine, task, labelled.missing()))
        return

    def content(shard: Shard) -> bytes:
        file = io.BytesIO()
        np.save(file, source.codes(shard.start, shard.stop), allow_pickle=False)
        return file.getvalue()

    inputs = _inputs(home)
    labelled.finish(inputs.taken(run(engine, task, inputs.given(labelled.missing(), content))))


def _inputs(home: Folder) -> ShardInputs:
    return ShardInputs(home, "codes", ".npy")


@dataclass(frozen=True)
class LabelTask:
    """What a worker needs to label shards of codes.

    Attributes
    ----------
    addresses : ModelAddresses
    prior_seed : int or None
        As of `CodeSource`; None where the codes of each shard are in a file of the folder.
    folder : Folder
        Where the worker writes; every worker must reach it under this name.
    identity : str
        Of the folder. A worker that opens other models is refused.
    total : int
        Rows of the whole task.
    """

    addresses: ModelAddresses
    prior_seed: int | None
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
        if self.prior_seed is not None:
            source = prior_source(models, self.prior_seed)
            own_home = label_folder(models, source, self.folder)
            check_opened("the run", own_home.identity, self.identity, models.may_differ)
            return lambda shard: label_shards(models, source.codes, [shard], own_home, self.total)
        found = json.dumps({**json.loads(self.identity), **models.identity}, sort_keys=True)
        check_opened("the run", found, self.identity, models.may_differ)
        stored = ResumableFolder(self.folder, found, "labels of this run", models.may_differ)

        def work(shard: Shard) -> None:
            content = io.BytesIO(_inputs(self.folder).read(shard))
            codes = np.load(content, allow_pickle=False)

            def own(start: int, stop: int) -> NDArray[np.float32]:
                return np.asarray(codes[start - shard.start : stop - shard.start])

            label_shards(models, own, [shard], stored, self.total)

        return work

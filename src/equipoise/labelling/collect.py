"""Labelling: seeds -> codes -> images -> a table of labels, streamed and resumable.

The table is a folder of Parquet shards of `SHARD_ROWS` rows, each with a completion record. A
killed run is resumed with the shards that are not done, and ends with the same bytes, on any
engine. Codes are not stored: seed and index determine them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, check_count
from equipoise.core.folders import Folder, open_folder
from equipoise.core.labels import Labels, concatenate, from_table
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.resumable import ResumableFolder
from equipoise.core.seeds import check_seed
from equipoise.engines import Engine, ResumedTask, run
from equipoise.labelling.shards import (
    SHARD_ROWS,
    Codes,
    LabelTask,
    label_folder,
    label_shards,
    prior_codes,
    prior_source,
    shard_name,
)


@dataclass(frozen=True)
class LabelTable:
    """Labels of n codes, on disk.

    Attributes
    ----------
    folder : ResumableFolder
        Holds labels-00000.parquet, labels-00001.parquet, ...
    grid : AttributeGrid
        The attributes.
    n : int
        Number of rows.
    computed : int
        Rows that this call computed; the others were stored.
    """

    folder: ResumableFolder
    grid: AttributeGrid
    n: int
    computed: int

    def stream(self) -> Iterator[Labels]:
        """Yield the labels shard by shard, of at most `SHARD_ROWS` rows each.

        Raises
        ------
        FileFormatError
            When a shard is damaged.
        """
        for number, (start, stop) in enumerate(batches(0, self.n, SHARD_ROWS)):
            name = shard_name(number)
            table = self.folder.read(name)
            with self.folder.intact(name):
                index = table["index"].to_numpy()
                if not np.array_equal(index, np.arange(start, start + len(index))):
                    raise ValueError(f"rows that do not begin at index {start}")
                labels = from_table(table, self.grid)
            yield labels.take(slice(0, stop - start))

    def labels(self) -> Labels:
        """Return all labels; two attributes take about 30 bytes per row.

        Raises
        ------
        FileFormatError
            When a shard is damaged.
        """
        return concatenate(list(self.stream()))


def collect(
    models: Models,
    n: int,
    seed: int,
    folder: Path | str | Folder,
    *,
    execution: Execution = Execution(),
    engine: Engine | None = None,
) -> LabelTable:
    """Label codes 0 to n - 1 of the prior under a seed. Labels in the folder are reused.

    Parameters
    ----------
    models : Models
        The generator, whose prior gives the codes, and the panel.
    n : int
        Number of codes, at least 1.
    seed : int
        Seed of the prior's codes, in [0, 2**63).
    folder : Path, str or Folder
        Where the shards are kept, a path or an address such as s3://bucket/labels; created when
        missing. It must not hold labels of another
        generator, panel or seed.
    execution : Execution
        Threads and progress. The bytes of the shards do not depend on it.
    engine : Engine, optional
        Where shards are labelled, of `equipoise.engines`; threads of this process by default. The
        bytes do not depend on it either. Its workers open the models by address, so `models` must
        come of `ModelAddresses.open` or `equipoise.pipeline.open_models`.

    Returns
    -------
    LabelTable

    Raises
    ------
    InputError
        When n or seed breaks its rule, the folder belongs to another run, or an engine is given
        models without addresses.
    StorageError
        When the disk or the store fails; the shards written so far are kept.
    FileFormatError
        When a shard that the folder holds is damaged.
    ModelOutputError
        When a model returns something wrong.
    WorkerError
        When workers cannot start, or shards were set aside; the others are kept.

    Examples
    --------
    >>> import tempfile
    >>> from equipoise.classifiers import open_panel
    >>> from equipoise.generators import open_generator
    >>> toy = open_generator("toy")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = collect(Models(toy, open_panel(["smiling"], toy)), 100, 0, Path(folder))
    ...     len(table.labels())
    100
    """
    check_seed(seed)
    codes, source = prior_codes(models, seed), prior_source(seed)
    if engine is None:
        return label_codes(models, codes, n, folder, source=source, execution=execution)
    if models.addresses is None:
        raise InputError(
            "models",
            "must be opened by address, so that workers can open them",
            "models made in this process",
            "Open them by equipoise.pipeline.open_models(settings), or leave the engine out.",
        )
    stored, labelled = _begin(models, codes, source, n, folder, "label", execution)
    task = LabelTask(models.addresses, seed, stored.home.absolute(), stored.identity, n)
    labelled.finish(run(engine, task, labelled.missing()))
    return LabelTable(stored, models.panel.grid, n, labelled.computed)


def label_codes(
    models: Models,
    codes: Codes,
    n: int,
    folder: Path | str | Folder,
    *,
    source: str,
    stage: str = "label",
    execution: Execution = Execution(),
) -> LabelTable:
    """Label n codes of any source, as `collect` labels those of the prior.

    Parameters
    ----------
    models, n, folder, execution
        As for `collect`.
    codes : callable
        See `Codes`. It is called from one thread, with rising numbers.
    source : str
        Name of the source of the codes. The folder must not hold labels of another source.
    stage : str
        Name of the stage for progress.

    Returns
    -------
    LabelTable

    Raises
    ------
    InputError, StorageError, FileFormatError, ModelOutputError
        As for `collect`.
    """
    stored, labelled = _begin(models, codes, source, n, folder, stage, execution)
    shards, on_rows = labelled.missing(), labelled.on_rows
    label_shards(models, codes, shards, stored, n, workers=execution.workers, on_rows=on_rows)
    labelled.on_rows(0)
    return LabelTable(stored, models.panel.grid, n, labelled.computed)


def _begin(
    models: Models,
    codes: Codes,
    source: str,
    n: int,
    folder: Path | str | Folder,
    stage: str,
    execution: Execution,
) -> tuple[ResumableFolder, ResumedTask]:
    """Return the folder of the labels, which can be written, and what it lacks."""
    n = check_count("n", n, "Pass --n 10000.")
    stored = label_folder(models, codes, source, open_folder(folder))
    stored.home.prepare()
    device = models.generator.device
    return stored, ResumedTask(
        stored.home,
        n,
        SHARD_ROWS,
        file=shard_name,
        done_rows=lambda shard: stored.done_rows(shard_name(shard.number), total=n, device=device),
        report=lambda done, total: execution.progress(stage, done, total),
    )

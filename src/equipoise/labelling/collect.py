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
from equipoise.core.alone import alone
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import check_count
from equipoise.core.folders import Folder, open_folder
from equipoise.core.labels import Labels, concatenate, from_table
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution
from equipoise.core.resumable import ResumableFolder
from equipoise.core.seeds import check_seed
from equipoise.engines import ResumedTask
from equipoise.labelling.shards import (
    SHARD_ROWS,
    CodeSource,
    label_folder,
    label_on,
    label_shards,
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
        Threads, engine and progress. The bytes of the shards do not depend on it.

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
    return label_codes(models, prior_source(models, seed), n, folder, execution=execution)


def label_codes(
    models: Models,
    source: CodeSource,
    n: int,
    folder: Path | str | Folder,
    *,
    stage: str = "label",
    execution: Execution = Execution(),
) -> LabelTable:
    """Label n codes of any source, as `collect` labels those of the prior.

    Parameters
    ----------
    models, n, folder, execution
        As for `collect`.
    source : CodeSource
        The codes.
    stage : str
        Name of the stage for progress.

    Returns
    -------
    LabelTable

    Raises
    ------
    InputError, StorageError, FileFormatError, ModelOutputError, WorkerError
        As for `collect`.
    """
    n = check_count("n", n, "Pass --n 10000.")
    stored = label_folder(models, source, open_folder(folder))
    labelled = ResumedTask(
        stored.home,
        n,
        SHARD_ROWS,
        file=shard_name,
        done_rows=lambda shard: stored.done_rows(shard_name(shard.number), total=n),
        report=lambda done, total: execution.progress(stage, done, total),
    )
    with alone(stored.home):
        if execution.engine is None:
            shards, on_rows, workers = labelled.missing(), labelled.on_rows, execution.workers
            label_shards(models, source.codes, shards, stored, n, workers=workers, on_rows=on_rows)
            labelled.on_rows(0)
        else:
            label_on(execution.engine, models, source, stored, labelled)
    return LabelTable(stored, models.panel.grid, n, labelled.computed)


def stored_labels(models: Models, n: int, seed: int, folder: Path) -> Labels:
    """Return labels that `collect` stored, without computing any.

    Raises
    ------
    InputError
        When they are of other models, or of another seed.
    FileFormatError
        When a shard is missing or damaged.
    """
    stored = label_folder(models, prior_source(models, seed), open_folder(folder))
    return LabelTable(stored, models.panel.grid, n, 0).labels()

"""Labelling: seeds -> codes -> images -> a table of labels, streamed and resumable.

The table is a folder of Parquet shards of `SHARD_ROWS` rows, each with a completion record. A
killed run is resumed with the shards that are not done, and ends with the same bytes, on any
engine. Codes are not stored: seed and index determine them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import InputError, check_count
from equipoise.core.labels import Labels, concatenate, from_table
from equipoise.core.parallel import batches
from equipoise.core.progress import Execution, Progress
from equipoise.core.resumable import ResumableFolder
from equipoise.core.seeds import check_seed
from equipoise.engines import Engine, Shard, run, set_aside
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
    folder: Path,
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
    folder : Path
        Where the shards are kept; created when missing. It must not hold labels of another
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
        When the folder cannot be written; the shards written so far are kept.
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
    n = check_count("n", n, "Pass --n 10000.")
    stored = label_folder(models, codes, source, folder)
    missing, computed = _missing(stored, models, n)
    task = LabelTask(models.addresses, seed, folder.absolute(), stored.identity, n)
    on_rows = _counter(execution.progress, "label", n - computed, n)
    lost = []
    for ended in run(engine, task, missing):
        if ended.lost:
            lost.append(ended)
        else:
            on_rows(ended.shard.rows)
    if lost:
        raise set_aside(lost)
    return LabelTable(stored, models.panel.grid, n, computed)


def label_codes(
    models: Models,
    codes: Codes,
    n: int,
    folder: Path,
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
    n = check_count("n", n, "Pass --n 10000.")
    stored = label_folder(models, codes, source, folder)
    missing, computed = _missing(stored, models, n)
    on_rows = _counter(execution.progress, stage, n - computed, n)
    workers = execution.workers
    label_shards(models, codes, missing, stored, n, workers=workers, on_rows=on_rows)
    return LabelTable(stored, models.panel.grid, n, computed)


def _missing(stored: ResumableFolder, models: Models, n: int) -> tuple[list[Shard], int]:
    """Return the shards that are not done, and how many rows they have."""
    device = models.generator.device
    missing = [
        Shard(number, start, stop)
        for number, (start, stop) in enumerate(batches(0, n, SHARD_ROWS))
        if stored.done_rows(shard_name(number), total=n, device=device) < stop - start
    ]
    return missing, sum(shard.rows for shard in missing)


def _counter(progress: Progress, stage: str, done: int, total: int) -> Callable[[int], None]:
    """Report how many rows are done, now and at each call of what is returned."""
    progress(stage, done, total)

    def on_rows(rows: int) -> None:
        nonlocal done
        done += rows
        progress(stage, done, total)

    return on_rows

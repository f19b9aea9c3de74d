"""Labelling: seeds -> codes -> images -> a table of labels, streamed and resumable.

The table is a folder of Parquet shards of `SHARD_ROWS` rows. A killed run is resumed from the first
missing shard, and ends with the same bytes. Codes are not stored: seed and index determine them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import check_count
from equipoise.core.labels import Labels, concatenate, from_table, to_columns
from equipoise.core.parallel import ahead, batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.resumable import ResumableFolder
from equipoise.core.seeds import check_seed
from equipoise.generators.base import generate

SHARD_ROWS = 2048


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


def shard_name(number: int) -> str:
    """Return the name of the file of a shard."""
    return f"labels-{number:05d}.parquet"


def collect(
    models: Models,
    n: int,
    seed: int,
    folder: Path,
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
    folder : Path
        Where the shards are kept; created when missing. It must not hold labels of another
        generator, panel or seed.
    execution : Execution
        Threads and progress. The bytes of the shards do not depend on it.

    Returns
    -------
    LabelTable

    Raises
    ------
    InputError
        When n or seed breaks its rule, or the folder belongs to another run.
    StorageError
        When the folder cannot be written; the shards written so far are kept.
    FileFormatError
        When a shard that the folder holds is damaged.
    ModelOutputError
        When a model returns something wrong.

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

    def codes(start: int, stop: int) -> NDArray[np.float32]:
        return models.generator.prior.codes(seed, start, stop)

    return label_codes(models, codes, n, folder, source=f"prior, seed {seed}", execution=execution)


def label_codes(
    models: Models,
    codes: Callable[[int, int], NDArray[np.float32]],
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
        `codes(start, stop)` returns codes start to stop - 1, shape (stop - start, dim), float32.
        It is called from one thread, with rising numbers.
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
    generator, panel, progress = models.generator, models.panel, execution.progress
    # Codes are computed again when labels are used; a library that changes them must be noticed.
    first = np.ascontiguousarray(codes(0, 1))
    identity = json.dumps(
        {
            "generator": generator.digest,
            "device": generator.device,
            "panel": panel.digest,
            "codes": source,
            "first_code": hashlib.sha256(first.tobytes()).hexdigest()[:16],
            "batch_size": generator.batch_size,
        },
        sort_keys=True,
    )
    stored = ResumableFolder(folder, identity, "labels of this run")
    missing = [
        (number, start, stop)
        for number, (start, stop) in enumerate(batches(0, n, SHARD_ROWS))
        if stored.rows(shard_name(number)) < stop - start
    ]
    computed = sum(stop - start for _, start, stop in missing)
    done = n - computed
    progress(stage, done, n)

    def label(batch: NDArray[np.float32]) -> Labels:
        return panel.predict(generate(generator, batch))

    work = (
        codes(*bounds)
        for _, start, stop in missing
        for bounds in batches(start, stop, generator.batch_size)
    )
    with (
        closing(ahead(work, generator.batch_size)) as made,
        closing(ordered_map(label, made, execution.workers)) as results,
    ):
        for number, start, stop in missing:
            parts: list[Labels] = []
            while sum(map(len, parts)) < stop - start:
                parts.append(next(results))
                done += len(parts[-1])
                progress(stage, done, n)
            stored.write(shard_name(number), _table(concatenate(parts), start))
    return LabelTable(stored, panel.grid, n, computed)


def _table(labels: Labels, start: int) -> pa.Table:
    """Return labels as a table, with the index of each code."""
    index = pa.array(np.arange(start, start + len(labels)))
    return pa.table({"index": index, **to_columns(labels)})

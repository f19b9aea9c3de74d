"""Label codes: make their images, classify them, and keep the labels on disk.

Labels are kept in a folder of Parquet files, each of `SHARD_ROWS` rows (a shard). A shard is
written whole or not at all. A killed run therefore continues at the first missing shard, and ends
with the same bytes. Codes are not stored, because seed and index determine them.
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
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise.classifiers.models import Models
from equipoise.core.attributes import AttributeGrid
from equipoise.core.errors import FileFormatError, InputError, check_count
from equipoise.core.files import atomic_path, storage
from equipoise.core.labels import Labels, concatenate, from_table, to_columns
from equipoise.core.parallel import ahead, batches, ordered_map
from equipoise.core.progress import Execution
from equipoise.core.seeds import check_seed
from equipoise.core.versions import versions
from equipoise.generators.base import generate

SHARD_ROWS = 2048
"""Rows of a shard, chosen by hand: a killed run loses at most so many labels per call."""

_IDENTITY = b"equipoise.identity"


@dataclass(frozen=True)
class LabelTable:
    """Labels of n codes, on disk.

    Attributes
    ----------
    folder : Path
        Holds labels-00000.parquet, labels-00001.parquet, ...
    grid : AttributeGrid
        The attributes.
    n : int
        Number of rows.
    computed : int
        Rows that this call computed. The others were on disk already.
    """

    folder: Path
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
            path = shard_path(self.folder, number)
            yield _read_shard(path, self.grid, start).take(slice(0, stop - start))

    def labels(self) -> Labels:
        """Return all labels; two attributes take about 30 bytes per row.

        Raises
        ------
        FileFormatError
            When a shard is damaged.
        """
        return concatenate(list(self.stream()))


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of shard `number`, counted from 0."""
    return folder / f"labels-{number:05d}.parquet"


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
    # Codes are computed again when labels are used. The digest of the first one reveals a library
    # that computes them differently.
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
    ).encode()
    missing = [
        (number, start, stop)
        for number, (start, stop) in enumerate(batches(0, n, SHARD_ROWS))
        if not _has_rows(shard_path(folder, number), stop - start, identity)
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
            _write_shard(shard_path(folder, number), concatenate(parts), start, identity)
    return LabelTable(folder, panel.grid, n, computed)


def _write_shard(path: Path, labels: Labels, start: int, identity: bytes) -> None:
    index = pa.array(np.arange(start, start + len(labels)))
    table = pa.table({"index": index, **to_columns(labels)})
    table = table.replace_schema_metadata(
        {_IDENTITY: identity, b"equipoise.versions": json.dumps(versions()).encode()}
    )
    with atomic_path(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def _has_rows(path: Path, rows: int, identity: bytes) -> bool:
    """Return whether the shard exists and has at least `rows` rows; refuse that of another run."""
    with storage(path):
        if not path.exists():
            return False
    metadata = _parquet_metadata(path)
    found = (metadata.metadata or {}).get(_IDENTITY)
    if found != identity:
        raise InputError(
            f"folder {path.parent}",
            f"must be empty or hold labels of this run, {identity.decode()}",
            found.decode() if found else "a file of something else",
            "Choose another folder, or the settings that it was made with.",
        )
    return bool(metadata.num_rows >= rows)


def _parquet_metadata(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _read_shard(path: Path, grid: AttributeGrid, start: int) -> Labels:
    """Read a shard whose rows begin at index `start`, its checksums verified."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        index = table["index"].to_numpy()
        if not np.array_equal(index, np.arange(start, start + len(index))):
            raise ValueError(f"rows that do not begin at index {start}")
        return from_table(table, grid)
    except (pa.ArrowException, OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"labels {path}",
        "must be a whole Parquet file",
        (str(error).splitlines() or [type(error).__name__])[0],
        "Delete it and run the same command again.",
    )

"""A folder that holds the results of one task, and that an interrupted task is resumed from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.completion import read_completion, remove_completion, write_completion
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import RESUMES, atomic_path, storage, write_text
from equipoise.core.versions import versions

_IDENTITY = b"equipoise.identity"

_TABLE_ERRORS = (pa.ArrowException, OSError, KeyError, ValueError, IndexError, TypeError)
"""What reading a damaged Parquet file, or one with other columns, raises."""


@dataclass(frozen=True)
class ResumableFolder:
    """A folder of results, each written whole or not at all.

    Attributes
    ----------
    path : Path
        Created when missing.
    identity : str
        All that determines the results. Results of another identity are refused.
    holds : str
        The results, as errors name them: "labels of this run".
    """

    path: Path
    identity: str
    holds: str

    def claim(self, mark: str, results: str) -> None:
        """Store the identity in the file `mark`, unless the folder holds other results.

        Parameters
        ----------
        mark : str
            Name of the file.
        results : str
            Pattern of the names of results.

        Raises
        ------
        InputError
            When the folder has results, and its identity is missing or another.
        StorageError
            When the folder cannot be written.
        """
        file = self.path / mark
        with storage(self.path, RESUMES):
            self.path.mkdir(parents=True, exist_ok=True)
            found = file.read_bytes() if file.exists() else None
            if found != self.identity.encode() and any(self.path.glob(results)):
                raise self._refusal(found)
            write_text(file, self.identity)

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table as a Parquet file that holds the identity, and checksums of its pages.

        Raises
        ------
        StorageError
            When it cannot be written.
        """
        metadata = {_IDENTITY: self.identity, b"equipoise.versions": json.dumps(versions())}
        with atomic_path(self.path / name, RESUMES) as part:
            pq.write_table(
                table.replace_schema_metadata(metadata),
                part,
                compression="zstd",
                write_page_checksum=True,
            )

    def write_shard(
        self, name: str, table: pa.Table, *, total: int, device: str, began: float
    ) -> None:
        """Write a table, and then the record that it is done.

        Parameters
        ----------
        name : str
        table : pyarrow.Table
        total : int
            Rows of the whole task.
        device : str
            Where the table was computed.
        began : float
            When that began, by `time.monotonic`.

        Raises
        ------
        StorageError
            When a file cannot be written.
        """
        remove_completion(self.path / name)
        self.write(name, table)
        self._complete(name, table.num_rows, total, device, time.monotonic() - began)

    def _complete(self, name: str, rows: int, total: int, device: str, seconds: float) -> None:
        write_completion(
            self.path / name,
            rows=rows,
            total=total,
            identity=self.identity,
            device=device,
            seconds=seconds,
        )

    def done_rows(self, name: str, *, total: int, device: str) -> int:
        """Return the rows of a shard that is done, 0 where it is not: its record decides.

        A whole table without a record is verified, and gets one: its writer was killed between
        the two, or was an older Equipoise.

        Raises
        ------
        InputError
            When it is of another identity.
        FileFormatError
            When it is damaged, or its record is.
        """
        path = self.path / name
        found = read_completion(path)
        if found is not None:
            self._check({_IDENTITY: found.identity.encode()})
            return found.rows
        with storage(path, RESUMES):
            if not path.exists():
                return 0
        rows = int(self.read(name).num_rows)
        self._complete(name, rows, total, device, 0.0)
        return rows

    def read(self, name: str) -> pa.Table:
        """Read a table and verify its checksums.

        Raises
        ------
        InputError
            When it is of another identity.
        FileFormatError
            When it is missing or damaged.
        """
        with self.intact(name):
            table = pq.read_table(self.path / name, page_checksum_verification=True)
        self._check(table.schema.metadata)
        return table

    @contextmanager
    def intact(self, name: str) -> Iterator[None]:
        """Turn exceptions caused by a damaged table, or by wrong columns, into one error.

        Raises
        ------
        FileFormatError
        """
        try:
            yield
        except _TABLE_ERRORS as error:
            raise FileFormatError(
                f"{self.holds.partition(' ')[0]} {self.path / name}",
                "must be a whole Parquet file",
                (str(error).splitlines() or [type(error).__name__])[0],
                "Delete it and run the same command again.",
            ) from error

    def _check(self, metadata: dict[bytes, bytes] | None) -> None:
        found = (metadata or {}).get(_IDENTITY)
        if found != self.identity.encode():
            raise self._refusal(found)

    def _refusal(self, found: bytes | None) -> InputError:
        return InputError(
            f"folder {self.path}",
            f"must be empty or hold {self.holds}, {self.identity}",
            "other files" if found is None else found.decode("utf-8", "replace"),
            "Choose another folder, or the settings that it was made with.",
        )

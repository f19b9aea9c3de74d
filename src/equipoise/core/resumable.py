"""A folder that holds the results of one task, and that an interrupted task is resumed from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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

    def rows(self, name: str) -> int:
        """Return the number of rows of a table, 0 where there is none.

        Raises
        ------
        InputError
            When it is of another identity.
        FileFormatError
            When it is damaged.
        """
        path = self.path / name
        with storage(path, RESUMES):
            if not path.exists():
                return 0
        with self.intact(name):
            found = pq.read_metadata(path)
        self._check(found.metadata)
        return int(found.num_rows)

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

"""A folder that holds the results of one task, and that an interrupted task is resumed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.completion import complete, completing, read_completion
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.files import parse_json
from equipoise.core.folders import Folder
from equipoise.core.versions import versions

_IDENTITY = b"equipoise.identity"

_TABLE_ERRORS = (pa.ArrowException, OSError, KeyError, ValueError, IndexError, TypeError)
"""What reading a damaged Parquet file, or one with other columns, raises."""


DEVICE = "device"
"""Key, in an identity in JSON, of the type of device that computed results."""


def alike(found: str, wanted: str, may_differ: frozenset[str]) -> bool:
    """Return whether two identities are equal, but for the values of some keys of their JSON.

    Examples
    --------
    >>> one, other = '{"seed": 0, "device": "cpu"}', '{"seed": 0, "device": "cuda"}'
    >>> alike(one, other, frozenset()), alike(one, other, frozenset({"device"}))
    (False, True)
    """
    if found == wanted or not may_differ:
        return found == wanted
    try:
        one, other = parse_json(found), parse_json(wanted)
    except ValueError:
        return False
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    return {**one, **dict.fromkeys(may_differ)} == {**other, **dict.fromkeys(may_differ)}


def differences(wanted: str, found: str) -> tuple[str, str]:
    """Return what two identities say of the keys in which they differ; both whole without any.

    Examples
    --------
    >>> one, other = '{"n": 8, "of": {"name": "a", "seed": 1}}', '{"n": 8, "of": {"name": "b"}}'
    >>> differences(one, other)
    ('of.name: a, of.seed: 1', 'of.name: b, of.seed: none')
    """
    try:
        one, other = _flat(parse_json(wanted)), _flat(parse_json(found))
    except ValueError:
        return wanted, found
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if not keys or not (one.keys() & other.keys()):
        return wanted, found

    def shown(own: dict[str, str]) -> str:
        return ", ".join(f"{key}: {_shortened(own.get(key, 'none'))}" for key in keys)

    return shown(one), shown(other)


def _shortened(text: str) -> str:
    """Return the beginning of a SHA-256, which says as much; other texts whole."""
    return f"{text[:12]}..." if len(text) == 64 and text.isalnum() else text


def _flat(value: Any, place: str = "") -> dict[str, str]:
    """Return the values of nested objects by their keys, joined by dots."""
    if not isinstance(value, dict):
        return {place: value if isinstance(value, str) else json.dumps(value)}
    parts = (_flat(part, f"{place}.{key}".lstrip(".")) for key, part in value.items())
    return {key: text for part in parts for key, text in part.items()}


def _device_of(identity: str) -> str:
    """Return the type of device that an identity in JSON names; nothing where it names none."""
    try:
        held = parse_json(identity)
    except ValueError:
        return ""
    return str(held.get(DEVICE, "")) if isinstance(held, dict) else ""


def device_remedy(found: str, wanted: str) -> str:
    """Return the remedy where two identities differ in the type of device alone; else nothing."""
    if not alike(found, wanted, frozenset({DEVICE})):
        return ""
    return (
        "Choose the device that it was made on, or pass --mixed-devices: numbers of two types of "
        "device differ in the last digits."
    )


@dataclass(frozen=True)
class ResumableFolder:
    """A folder of results, each written whole or not at all.

    Attributes
    ----------
    home : Folder
        Created when missing.
    identity : str
        All that determines the results. Results of another identity are refused.
    holds : str
        The results, as errors name them: "labels of this run".
    may_differ : frozenset of str
        Keys of an identity in JSON that results may differ in, each naming its own.
    """

    home: Folder
    identity: str
    holds: str
    may_differ: frozenset[str] = frozenset()

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
        self.home.prepare()
        found = self.home.read(mark)
        if found != self.identity.encode() and any(fnmatch(n, results) for n in self.home.names()):
            raise self._refusal(found)
        with self.home.writing(mark) as part:
            part.write_text(self.identity, encoding="utf-8")

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table as a Parquet file that holds the identity, and checksums of its pages.

        Raises
        ------
        StorageError
            When it cannot be written.
        """
        with self.home.writing(name) as part:
            self._write(table, part)

    def _write(self, table: pa.Table, part: Path) -> None:
        metadata = {_IDENTITY: self.identity, b"equipoise.versions": json.dumps(versions())}
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
        done = {"rows": table.num_rows, "total": total, "identity": self.identity, "device": device}
        with completing(self.home, name, began=began, **done) as part:
            self._write(table, part)

    def done_rows(self, name: str, *, total: int) -> int:
        """Return the rows of a shard that is done, 0 where it is not: its record decides.

        A whole table without a record is verified, and gets one: its writer was killed between
        the two, or was an older Equipoise. The table says where it was computed.

        Raises
        ------
        InputError
            When it is of another identity.
        FileFormatError
            When it is damaged, or its record is.
        """
        found = read_completion(self.home, name)
        if found is not None:
            self._check({_IDENTITY: found.identity.encode()})
            return found.rows
        content = self.home.read(name)
        if content is None:
            return 0
        table = self._parse(name, content)
        rows, identity = int(table.num_rows), table.schema.metadata[_IDENTITY].decode()
        complete(
            self.home,
            name,
            rows=rows,
            total=total,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            identity=identity,
            device=_device_of(identity),
            seconds=0.0,
        )
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
        return self._parse(name, self.home.read(name))

    def _parse(self, name: str, content: bytes | None) -> pa.Table:
        with self.intact(name):
            if content is None:
                raise ValueError("no file")
            source = pa.BufferReader(content)
            table = pq.read_table(source, page_checksum_verification=True)
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
                f"{self.holds.partition(' ')[0]} {self.home / name}",
                "must be a whole Parquet file",
                (str(error).splitlines() or [type(error).__name__])[0],
                "Delete it and run the same command again.",
            ) from error

    def _check(self, metadata: dict[bytes, bytes] | None) -> None:
        found = (metadata or {}).get(_IDENTITY)
        text = None if found is None else found.decode("utf-8", "replace")
        if text is None or not alike(text, self.identity, self.may_differ):
            raise self._refusal(found)

    def _refusal(self, found: bytes | None) -> InputError:
        text = "other files" if found is None else found.decode("utf-8", "replace")
        wanted, got = differences(self.identity, text)
        return InputError(
            f"folder {self.home}",
            f"must be empty or hold {self.holds}, {wanted}",
            got,
            device_remedy(text, self.identity)
            or "Choose another folder, or the settings that it was made with.",
        )

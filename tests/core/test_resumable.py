"""A folder is resumed by the task that made it, and by no other."""

import hashlib
import json
import time
from pathlib import Path

import pyarrow as pa
import pytest

from equipoise.core.completion import read_completion, record_name
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.folders import LocalFolder
from equipoise.core.resumable import DEVICE, ResumableFolder

TABLE = pa.table({"index": [0, 1, 2]})


def folder(path: Path, identity: str = "a") -> ResumableFolder:
    return ResumableFolder(LocalFolder(path), identity, "labels of this run")


def done(mine: ResumableFolder) -> int:
    return mine.done_rows("x.parquet", total=9)


def test_a_table_is_read_back_with_its_rows(tmp_path: Path) -> None:
    mine = folder(tmp_path / "new")
    assert done(mine) == 0
    mine.write_shard("x.parquet", TABLE, total=9, device="cpu", began=time.monotonic())
    assert done(mine) == 3
    assert mine.read("x.parquet").equals(TABLE)


def test_tables_of_another_task_are_refused(tmp_path: Path) -> None:
    other = folder(tmp_path, "b")
    for recorded in (False, True):
        folder(tmp_path).write("x.parquet", TABLE)
        if recorded:
            assert done(folder(tmp_path)) == 3
        for use in (lambda: done(other), lambda: other.read("x.parquet")):
            with pytest.raises(
                InputError, match=r"must be empty or hold labels of this run, b, got a\."
            ):
                use()


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    mine = folder(tmp_path)
    mine.write("x.parquet", TABLE)
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[:-9])
    for use in (lambda: done(mine), lambda: mine.read("x.parquet")):
        with pytest.raises(FileFormatError, match=r"labels .*x.parquet must be a whole Parquet"):
            use()


def test_a_record_decides_what_is_done_and_a_whole_table_without_one_gets_it(
    tmp_path: Path,
) -> None:
    mine, table = folder(tmp_path), tmp_path / "x.parquet"
    mine.write_shard(table.name, TABLE, total=9, device="cpu", began=time.monotonic())
    record = read_completion(mine.home, table.name)
    assert record is not None
    assert (record.rows, record.total, record.device) == (3, 9, "cpu")
    assert record.sha256 == hashlib.sha256(table.read_bytes()).hexdigest()
    (tmp_path / record_name(table.name)).unlink()
    assert read_completion(mine.home, table.name) is None
    assert done(mine) == 3
    again = read_completion(mine.home, table.name)
    assert again is not None and again.sha256 == record.sha256
    table.unlink()
    assert done(mine) == 0, "a record alone is no shard"


def test_a_table_without_a_record_says_itself_where_it_was_computed(tmp_path: Path) -> None:
    home, may_differ = LocalFolder(tmp_path), frozenset({DEVICE})
    on = {kind: json.dumps({"seed": 0, DEVICE: kind}) for kind in ("cuda", "cpu")}
    there, here = (ResumableFolder(home, on[kind], "labels", may_differ) for kind in on)
    there.write("x.parquet", TABLE)
    assert here.done_rows("x.parquet", total=3) == 3
    record = read_completion(home, "x.parquet")
    assert record is not None
    assert (record.device, record.identity) == ("cuda", on["cuda"])


def test_a_file_of_another_size_than_recorded_and_a_damaged_record_are_named(
    tmp_path: Path,
) -> None:
    mine, table = folder(tmp_path), tmp_path / "x.parquet"
    mine.write_shard(table.name, TABLE, total=9, device="cpu", began=time.monotonic())
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match=r"x\.parquet must be a whole file of .* bytes"):
        done(mine)
    (tmp_path / record_name(table.name)).write_text("{}")
    with pytest.raises(FileFormatError, match=r"field file of completion record .*x\.done\.json"):
        done(mine)


def test_a_folder_with_results_belongs_to_one_task(tmp_path: Path) -> None:
    mine, other = folder(tmp_path, "a"), folder(tmp_path, "b")
    other.claim("mark.txt", "*.json")
    mine.claim("mark.txt", "*.json")
    (tmp_path / "result.json").touch()
    mine.claim("mark.txt", "*.json")
    with pytest.raises(InputError, match=r"labels of this run, b, got a\."):
        other.claim("mark.txt", "*.json")
    (tmp_path / "mark.txt").unlink()
    with pytest.raises(InputError, match="got other files"):
        mine.claim("mark.txt", "*.json")

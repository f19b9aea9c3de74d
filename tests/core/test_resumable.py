"""A folder is resumed by the task that made it, and by no other."""

from pathlib import Path

import pyarrow as pa
import pytest

from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.resumable import ResumableFolder

TABLE = pa.table({"index": [0, 1, 2]})


def folder(path: Path, identity: str = "a") -> ResumableFolder:
    return ResumableFolder(path, identity, "labels of this run")


def test_a_table_is_read_back_with_its_rows(tmp_path: Path) -> None:
    mine = folder(tmp_path / "new")
    assert mine.rows("x.parquet") == 0
    mine.write("x.parquet", TABLE)
    assert mine.rows("x.parquet") == 3
    assert mine.read("x.parquet").equals(TABLE)


def test_tables_of_another_task_are_refused(tmp_path: Path) -> None:
    folder(tmp_path).write("x.parquet", TABLE)
    for use in (folder(tmp_path, "b").rows, folder(tmp_path, "b").read):
        with pytest.raises(
            InputError, match=r"must be empty or hold labels of this run, b, got a\."
        ):
            use("x.parquet")


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    mine = folder(tmp_path)
    mine.write("x.parquet", TABLE)
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[:-9])
    for use in (mine.rows, mine.read):
        with pytest.raises(FileFormatError, match=r"labels .*x.parquet must be a whole Parquet"):
            use("x.parquet")


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

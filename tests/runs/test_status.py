"""How far a run is, by its completion records."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.core.completion import Completion, record_name, write_failure
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.folders import LocalFolder
from equipoise.core.records import write_record
from equipoise.runs.status import run_status
from tests.builders.command_line import Done

DONE = Completion("", 2048, 10_000, 1, "ab", "x", "cpu", "here", 4.0, 1000.0, {})


def write(folder: Path, number: int, **changes: object) -> None:
    folder.mkdir(exist_ok=True)
    file = f"labels-{number:05d}.parquet"
    record = dataclasses.replace(DONE, file=file, **changes)  # type: ignore[arg-type]
    write_record(folder / record_name(file), record)


def test_rows_speed_and_time_left_follow_from_the_records(tmp_path: Path) -> None:
    write(tmp_path / "labels", 0, finished=1004.0, host="a", total=9000)
    write(tmp_path / "labels", 1, finished=1004.0, host="b")
    write(tmp_path / "labels", 2, finished=1008.0, host="b")
    (found,) = run_status(tmp_path)
    assert (found.name, found.rows, found.total, found.shards) == ("labels", 6144, 10_000, 3)
    assert found.per_second == pytest.approx(6144 / 8)
    assert found.seconds_left == pytest.approx((10_000 - 6144) / (6144 / 8))
    assert found.places == ("a (cpu)", "b (cpu)")


def test_records_of_unknown_duration_give_no_speed(tmp_path: Path) -> None:
    write(tmp_path, 0, seconds=0.0)
    (found,) = run_status(tmp_path)
    assert found.name == "."
    assert math.isnan(found.per_second) and math.isnan(found.seconds_left)


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_records_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must hold completion records"):
        run_status(tmp_path / folder)


def test_the_command_prints_a_line_a_folder(cli: Callable[..., Done], tmp_path: Path) -> None:
    write(tmp_path / "labels", 0)
    done = cli("status", tmp_path, "--json", tmp_path / "status.json")
    assert (
        "labels   2,048/10,000 in 1 shards, 512.0/s, 16 s left, 0.00 worker hours, newest"
        in done.stdout
    )
    assert json.loads((tmp_path / "status.json").read_text())["folders"][0]["rows"] == 2048


def test_shards_that_failed_and_are_not_done_since_and_the_cost_are_counted(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    for number in range(2):
        write(tmp_path, number, seconds=5400.0)
    for file in ("labels-00001.parquet", "labels-00002.parquet"):
        write_failure(LocalFolder(tmp_path), file, rows=2048, total=10_000, reason="SIGKILL")
    (found,) = run_status(tmp_path)
    assert (found.shards, found.failed, found.worker_seconds) == (2, 1, 10_800.0)
    printed = cli("status", tmp_path, "--price-per-hour", 2.5).stdout
    assert "1 shards failed, 3.00 worker hours at 2.5: 7.50, newest" in printed


def test_a_record_costs_little_to_read(tmp_path: Path) -> None:
    for number in range(2000):
        write(tmp_path, number)
    began = time.process_time()
    (found,) = run_status(tmp_path)
    # A hundred thousand in 5 s are 50 microseconds each; the bound is for slow machines.
    assert (time.process_time() - began) / 2000 < 400e-6
    assert found.shards == 2000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n}", "\n} x"),
        ('"rows": 2048', '"rows": "2048"'),
        ('"rows"', '"lines"'),
        ("{", "["),
        ('"versions": {', '"versions": {"python": 3,'),
        ('"versions": {', '"versions": ["x"], "more": {'),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, old: str, new: str) -> None:
    write(tmp_path, 0)
    (record,) = tmp_path.glob("*.done.json")
    text = record.read_text()
    assert old in text
    record.write_text(text[: text.rindex(old)] + new + text[text.rindex(old) + len(old) :])
    with pytest.raises(FileFormatError, match=f"completion record .*{record.name}"):
        run_status(tmp_path)

import errno
import os
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.classifiers import ClassifierPanel, open_panel
from equipoise.classifiers.models import Models
from equipoise.core.completion import record_name
from equipoise.core.errors import FileFormatError, InputError, ModelOutputError, StorageError
from equipoise.core.progress import Execution
from equipoise.generators import Generator
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import SHARD_ROWS, collect, shard_name
from tests.builders.processes import kill, start


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def test_labels_are_the_truth_of_each_code(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    table = collect(Models(toy, toy_panel), 3000, 7, tmp_path)
    truth = toy.levels(toy.prior.codes(7, 0, 3000))
    columns = [toy.grid.attribute(name) for name in toy_panel.grid.names]
    assert np.array_equal(table.labels().levels, truth[:, columns])
    assert table.computed == 3000


def test_bytes_do_not_depend_on_the_number_of_workers(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    for workers in (1, 4):
        collect(
            Models(toy, toy_panel),
            5000,
            0,
            tmp_path / str(workers),
            execution=Execution(workers=workers),
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_real_labels_do_not_depend_on_the_number_of_workers(
    real: Generator, tmp_path: Path
) -> None:
    panel = open_panel(["gender", "age", "smiling", "skin_tone"], real)
    for workers in (1, 4):
        collect(
            Models(real, panel),
            300,
            0,
            tmp_path / str(workers),
            execution=Execution(workers=workers),
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_a_longer_run_keeps_whole_shards_and_a_shorter_one_recomputes_nothing(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    collect(Models(toy, toy_panel), SHARD_ROWS + 10, 0, tmp_path / "a")
    longer = collect(Models(toy, toy_panel), 2 * SHARD_ROWS + 5, 0, tmp_path / "a")
    assert longer.computed == SHARD_ROWS + 5
    shorter = collect(Models(toy, toy_panel), 50, 0, tmp_path / "a")
    assert shorter.computed == 0
    assert len(shorter.labels()) == 50
    collect(Models(toy, toy_panel), 2 * SHARD_ROWS + 5, 0, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_killed_run_resumes_to_the_same_bytes(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    shards = 40
    n = shards * SHARD_ROWS
    collect(Models(toy, toy_panel), n, 0, tmp_path / "whole")
    rng = np.random.default_rng(0)
    broken = tmp_path / "labels"
    for _ in range(3):
        process = start("collect", "--generator", "toy", "--n", n, "--out", tmp_path)
        have = len(contents(broken))
        while process.is_alive() and len(contents(broken)) <= have:
            time.sleep(0.005)
        time.sleep(float(rng.uniform(0, 0.3)))
        kill(process)
    len_before = len(contents(broken))
    assert len_before < shards
    resumed = collect(Models(toy, toy_panel), n, 0, broken)
    assert resumed.computed == n - len_before * SHARD_ROWS
    assert contents(broken) == contents(tmp_path / "whole")


def test_a_full_disk_keeps_the_shards_and_the_run_goes_on(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pq.write_table

    def full_after_two(table: object, path: Path, **settings: object) -> None:
        if len(contents(tmp_path)) == 2:
            Path(path).write_bytes(b"half a shard")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(table, path, **settings)

    monkeypatch.setattr(pq, "write_table", full_after_two)
    with pytest.raises(
        StorageError, match=r"labels-00002\.parquet must be writable.*No space left"
    ):
        collect(Models(toy, toy_panel), 4 * SHARD_ROWS, 0, tmp_path)
    monkeypatch.undo()
    done = [record_name(name) for name in contents(tmp_path)]
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == sorted([*contents(tmp_path), *done])
    assert collect(Models(toy, toy_panel), 4 * SHARD_ROWS, 0, tmp_path).computed == 2 * SHARD_ROWS


@pytest.mark.parametrize("n", [0, -1])
def test_bad_n_is_named(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path, n: int
) -> None:
    with pytest.raises(InputError, match=f"n must be .* got {n}"):
        collect(Models(toy, toy_panel), n, 0, tmp_path)


def test_a_folder_of_another_run_is_refused(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    collect(Models(toy, toy_panel), 100, 0, tmp_path)
    with pytest.raises(InputError, match="must be empty or hold labels of this run"):
        collect(Models(toy, toy_panel), 100, 1, tmp_path)
    with pytest.raises(InputError, match="must be empty or hold labels of this run"):
        collect(Models(ToyGenerator(entanglement=0.5), toy_panel), 100, 0, tmp_path)


def test_a_damaged_shard_is_named(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    collect(Models(toy, toy_panel), 100, 0, tmp_path)
    shard = tmp_path / shard_name(0)
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"labels-00000\.parquet must be a whole file"):
        collect(Models(toy, toy_panel), 100, 0, tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_noticed_or_harmless(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path, seed: int
) -> None:
    good = collect(Models(toy, toy_panel), 500, 0, tmp_path).labels()
    content = bytearray((tmp_path / shard_name(0)).read_bytes())
    rng = np.random.default_rng(seed)
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    (tmp_path / shard_name(0)).write_bytes(content)
    try:
        found = collect(Models(toy, toy_panel), 500, 0, tmp_path).labels()
    except (FileFormatError, InputError):
        return
    assert np.array_equal(found.levels, good.levels)
    assert np.array_equal(found.scores, good.scores)


def test_swapped_shards_are_noticed(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    table = collect(Models(toy, toy_panel), 2 * SHARD_ROWS, 0, tmp_path)
    one, other, spare = (
        tmp_path / name for name in ("labels-00000.parquet", "labels-00001.parquet", "x")
    )
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    with pytest.raises(FileFormatError, match="rows that do not begin at index 0"):
        table.labels()


def test_a_generator_with_wrong_images_is_named(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = toy.images
    monkeypatch.setattr(toy, "images", lambda codes: images(codes).astype(np.float32))
    with pytest.raises(ModelOutputError, match="must have dtype uint8, got float32"):
        collect(Models(toy, toy_panel), 10, 0, tmp_path)
    monkeypatch.setattr(toy, "images", lambda codes: images(codes)[:, :, :16])
    with pytest.raises(ModelOutputError, match=r"must have shape \(10, 3, 32, 32\)"):
        collect(Models(toy, toy_panel), 10, 0, tmp_path)

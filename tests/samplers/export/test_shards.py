"""A folder of tars has the same bytes on every engine, and goes on where it stopped."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.completion import completions
from equipoise.core.errors import FileFormatError, InputError
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Execution
from equipoise.core.settings import from_dict
from equipoise.core.synthetic_mark import packet
from equipoise.core.targets import Target
from equipoise.engines import Engine, OnExecutor, RayActors, Shard
from equipoise.generators.toy import ToyGenerator
from equipoise.samplers.draw import one_shot
from equipoise.samplers.export.png import png
from equipoise.samplers.export.shards import shard_counts, write_shards
from equipoise.samplers.file import save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from equipoise.samplers.verified import exact_counts
from tests.builders.clusters import dask_client
from tests.builders.command_line import Done
from tests.builders.processes import kill, start

Export = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.iterdir() if path.suffix in (".tar", ".parquet"))
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def opened(toy_sampler: Sampler) -> tuple[Sampler, Models]:
    models = ModelAddresses.of(from_dict(toy_sampler.settings)).open()
    return toy_sampler.bound(models.generator), models


@pytest.fixture
def export(
    toy_sampler: Sampler, opened: tuple[Sampler, Models], tmp_path: Path
) -> Callable[..., Path]:
    """Exports under a name; four images a shard."""
    save_sampler(toy_sampler, tmp_path / "sampler.safetensors")

    def write(name: str, request: DrawRequest, engine: Engine | None = None, size: int = 4) -> Path:
        file = tmp_path / "sampler.safetensors"
        execution = Execution(engine=engine)
        write_shards(file, opened, request, tmp_path / name, shard_size=size, execution=execution)
        return tmp_path / name

    return write


def images(folder: Path) -> dict[str, bytes]:
    """Every image, by its key."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".png"):
                    found[member.name] = archive.extractfile(member).read()  # type: ignore[union-attr]
    return found


def test_images_and_metadata_are_the_draws_of_the_seed(
    export: Export, opened: tuple[Sampler, Models]
) -> None:
    folder = export("out", DrawRequest(10, seed=3))
    drawn = np.concatenate([batch.images for batch in one_shot(*opened, 10, 3)])
    made = opened[0].generator
    assert images(folder) == {
        f"{i:09d}.png": png(image, packet(made.name, made.digest, 3, i))
        for i, image in enumerate(drawn)
    }
    rows = [row for i in range(3) for row in pq.read_table(folder / f"{i:05d}.parquet").to_pylist()]
    assert [row["index"] for row in rows] == list(range(10))
    assert [row["file_name"] for row in rows] == list(images(folder))
    assert sorted(done.rows for done in completions(LocalFolder(folder))) == [2, 4, 4]


@pytest.mark.parametrize("verified", [False, True])
def test_bytes_do_not_depend_on_the_engine(export: Export, verified: bool) -> None:
    request = DrawRequest(13, seed=1, verified=verified)
    whole = contents(export("threads", request, size=6))
    with ThreadPoolExecutor(2) as executor:
        assert contents(export("executor", request, OnExecutor(executor, 3), size=6)) == whole


def test_bytes_are_the_same_by_processes_on_the_command_line(
    export: Export, cli: Callable[..., Done], tmp_path: Path
) -> None:
    request = DrawRequest(9, seed=1, verified=True)
    whole = contents(export("threads", request, size=6))
    given = ("sample", tmp_path / "sampler.safetensors", "--n", 9, "--seed", 1, "--verified")
    shards = ("--format", "webdataset", "--shard-size", 6, "--engine", "processes", "--workers", 2)
    cli(*given, *shards, "--out", tmp_path / "cli")
    assert contents(tmp_path / "cli") == whole
    assert ".        9/9 in 2 shards" in cli("status", tmp_path / "cli").stdout


@pytest.mark.parametrize(
    "library",
    [
        pytest.param("ray", marks=pytest.mark.extras("ray")),
        pytest.param("dask", marks=pytest.mark.extras("distributed")),
    ],
)
def test_bytes_are_those_of_threads_on_a_cluster(export: Export, library: str) -> None:
    request = DrawRequest(13, seed=1, verified=True)
    whole = contents(export("threads", request, size=6))
    if library == "ray":
        import ray

        try:
            assert contents(export("ray", request, RayActors(2), size=6)) == whole
        finally:
            ray.shutdown()
    else:
        with dask_client() as client:
            engine = OnExecutor(client.get_executor(), 2)
            assert contents(export("dask", request, engine, size=6)) == whole


def test_verified_shards_have_exact_counts_and_no_image_twice(
    export: Export, opened: tuple[Sampler, Models]
) -> None:
    folder = export("out", DrawRequest(40, seed=2, verified=True), size=7)
    found = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            content = [archive.extractfile(m) for m in archive if m.name.endswith(".json")]
            found += [json.load(io.BytesIO(file.read())) for file in content if file]
    sampler = opened[0]
    cells = np.array([sampler.grid.index(row["achieved"]) for row in found])
    for end in (7, 14, 28, 40):
        wanted = exact_counts(sampler.target, end).tolist()
        assert np.bincount(cells[:end]).tolist() == wanted, "so may the export end there"
    assert all(row["requested"] == row["achieved"] for row in found)
    assert len({(row["requested"], row["index"]) for row in found}) == 40


@pytest.mark.parametrize("seed", range(5))
def test_shards_divide_the_cells_whatever_their_shares(seed: int, toy_sampler: Sampler) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(6, 0.5)) * 0.9 + 0.1 / 6
    sampler = replace(toy_sampler, target=Target(toy_sampler.grid, shares))
    size, total = 60 + int(rng.integers(40)), 2000
    request, seen = DrawRequest(0, verified=True), np.zeros(6, np.int64)
    for number, first in enumerate(range(0, total, size)):
        for rows in (*range(1, size, 7), size):
            wanted, before = shard_counts(request, sampler, Shard(number, first, first + rows))
            assert np.array_equal(before, seen)
            assert wanted.sum() == rows and wanted.min() >= 0
            # A last shard may leave a cell one image farther from its share.
            off = np.abs(seen + wanted - sampler.target.shares * (first + rows))
            assert off.max() < (1 if rows == size else 2)
        seen += wanted


def test_a_shard_of_verified_images_has_one_of_each_cell(export: Export) -> None:
    with pytest.raises(InputError, match=r"shard-size must be at least 6, for a .* image of each"):
        export("out", DrawRequest(8, verified=True), size=5)
    one_cell = DrawRequest(8, verified=True, cell="smiling=no,skin_tone=light")
    assert len(images(export("out", one_cell, size=5))) == 8


def test_a_finished_export_is_described_by_its_files(export: Export) -> None:
    export("out", DrawRequest(10, seed=2))
    folder = export("out", DrawRequest(13, seed=2))
    found = json.loads((folder / "dataset.json").read_text())
    assert (found["images"], found["shards"], found["seed"]) == (13, 4, 2)
    rows = [row for i in range(4) for row in pq.read_table(folder / f"{i:05d}.parquet").to_pylist()]
    for cell in found["cells"]:
        assert cell["achieved"] == sum(row["achieved"] == cell["cell"] for row in rows)
        assert cell["requested"] == sum(row["requested"] == cell["cell"] for row in rows)
        assert cell["weight"] == cell["achieved"]
    assert (
        "13 one-shot draws of the generator toy, seed 2, in 4 tars"
        in (folder / "README.md").read_text()
    )


def test_a_table_that_is_damaged_after_its_shard_is_named(export: Export) -> None:
    folder = export("out", DrawRequest(10))
    table = folder / "00001.parquet"
    for content in (b"", table.read_bytes()[:-9]):
        table.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"metadata .*00001\.parquet must be a whole"):
            export("out", DrawRequest(10))
    table.write_bytes((folder / "00002.parquet").read_bytes())
    with pytest.raises(FileFormatError, match="must have metadata of 10 images, got 8"):
        export("out", DrawRequest(10))


@pytest.mark.parametrize("verified", [False, True])
def test_a_stopped_export_goes_on_and_may_be_extended(export: Export, verified: bool) -> None:
    small, large = (DrawRequest(n, seed=3, verified=verified) for n in (15, 29))
    whole = contents(export("whole", large, size=6))
    folder = export("out", small, size=6)
    (folder / "00001.done.json").unlink()
    kept = (folder / "00000.tar").stat().st_mtime_ns
    assert contents(export("out", large, size=6)) == whole
    assert (folder / "00000.tar").stat().st_mtime_ns == kept, "a shard was drawn twice"


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_an_export_that_is_killed_at_random_moments_ends_with_the_same_bytes(
    export: Export, tmp_path: Path, engine: str
) -> None:
    whole = export("whole", DrawRequest(600, seed=4))
    words = ["sample", tmp_path / "sampler.safetensors", "--n", 600, "--seed", 4]
    words += ["--format", "webdataset", "--shard-size", 4, "--out", tmp_path / "broken"]
    words += ["--engine", engine, "--workers", 2]
    broken, done = tmp_path / "broken", dict[str, float]()
    for wait in np.random.default_rng(0).uniform(0, 0.2, 3):
        driver = start(*words)
        while len(list(broken.glob("*.done.json"))) <= len(done):
            assert driver.is_alive()
            time.sleep(0.005)
        time.sleep(wait)
        kill(driver)
        now = {found.file: found.finished for found in completions(LocalFolder(broken))}
        assert done.items() < now.items(), "a shard was drawn twice"
        done = now
    assert len(done) < 150
    assert contents(export("broken", DrawRequest(600, seed=4))) == contents(whole)
    now = {found.file: found.finished for found in completions(LocalFolder(broken))}
    assert done.items() < now.items() and len(now) == 150


@pytest.mark.parametrize("n", [4, 9])
def test_fewer_images_than_the_folder_holds_are_refused(export: Export, n: int) -> None:
    export("out", DrawRequest(10))
    with pytest.raises(InputError, match=f"n must be at least what .*out holds already, got {n}"):
        export("out", DrawRequest(n))


def test_a_later_shard_is_seen_over_one_that_is_missing(export: Export) -> None:
    folder = export("out", DrawRequest(20))
    (folder / "00002.done.json").unlink()
    with pytest.raises(InputError, match=r"n must be at least what .*out holds already, got 8"):
        export("out", DrawRequest(8))


def test_a_folder_of_another_export_is_refused(export: Export) -> None:
    export("out", DrawRequest(8))
    for other in (DrawRequest(8, seed=1), DrawRequest(8, cell="smiling=no,skin_tone=light")):
        with pytest.raises(InputError, match="must be empty or hold shards of this export"):
            export("out", other)
    with pytest.raises(InputError, match="must be empty or hold shards of this export"):
        export("out", DrawRequest(8), size=3)
    export("large", DrawRequest(8), size=6)
    with pytest.raises(InputError, match="must be empty or hold shards of this export"):
        export("large", DrawRequest(8, verified=True), size=6)


def test_a_bad_request_fails_before_a_file_is_made(export: Export, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shard-size must be a whole number"):
        export("out", DrawRequest(8), size=0)
    with pytest.raises(InputError, match="n must be a whole number"):
        export("out", DrawRequest(0))
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match=r"path .*out must be a folder"):
        export("out", DrawRequest(8))


def test_an_engine_needs_shards(cli: Callable[..., Done], export: Export, tmp_path: Path) -> None:
    export("out", DrawRequest(4))
    given = ("sample", tmp_path / "sampler.safetensors", "--n", 4, "--engine", "processes")
    error = cli(*given, "--out", tmp_path / "x.tar", code=2).error
    assert "--engine must not be given for the format tar, but webdataset" in error


def test_models_without_addresses_are_refused(
    opened: tuple[Sampler, Models], toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    made = opened[0], Models(opened[1].generator, toy_panel)
    with pytest.raises(InputError, match="models must be opened by address"):
        write_shards(tmp_path / "sampler", made, DrawRequest(4), tmp_path / "out")


def test_an_export_goes_on_on_another_card_and_elsewhere_where_that_is_wanted(
    opened: tuple[Sampler, Models], cli: Callable[..., Done], tmp_path: Path
) -> None:
    sampler, models = opened
    assert models.addresses is not None
    file, out = tmp_path / "sampler.safetensors", tmp_path / "out"
    save_sampler(sampler, file)

    def export(device: str, n: int, *, mixed: bool) -> dict[str, object]:
        generator = ToyGenerator()
        generator.device = device
        addresses = replace(models.addresses, mixed_devices=mixed)  # type: ignore[type-var]
        there = Models(generator, models.panel, addresses, mixed)
        write_shards(file, (sampler, there), DrawRequest(n), out, shard_size=4)
        return dict(json.loads((out / "dataset.json").read_text()))

    export("cuda:0", 4, mixed=False)
    assert export("cuda:1", 8, mixed=False)["device"] == "cuda"
    with pytest.raises(InputError, match="device that it was made on, or pass --mixed-devices"):
        export("cpu", 12, mixed=False)
    given = ("sample", file, "--n", 12, "--format", "webdataset", "--shard-size", 4, "--out", out)
    assert "pass --mixed-devices" in cli(*given, code=2).error
    cli(*given, "--mixed-devices")
    assert export("cpu", 12, mixed=True)["device"] == "cpu, cuda"
    wrong = cli("sample", file, "--out", tmp_path / "images", "--mixed-devices", code=2).error
    assert "--mixed-devices must not be given for the format folder, but webdataset" in wrong
    named = {done.file: done.device for done in completions(LocalFolder(out))}
    assert named == {"00000.tar": "cuda:0", "00001.tar": "cuda:1", "00002.tar": "cpu"}

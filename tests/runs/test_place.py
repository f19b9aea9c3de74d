"""A run in an object store, which the tests keep in memory."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError
from equipoise.core.folders import open_folder
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.engines import OnExecutor
from equipoise.pipeline import balance, open_models
from equipoise.runs.place import RunPlace
from equipoise.runs.status import run_status
from equipoise.samplers.export.shards import write_shards
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done
from tests.builders.stores import FlakyStore, flaky_store

SETTINGS = Settings(generator="toy", attributes=("smiling", "skin_tone"), n=1500, measure_n=200)
ADDRESS = "flaky://bucket/runs/faces"


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FlakyStore]]:
    """The store, and a cache of this machine that is empty."""
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    with flaky_store() as store:
        yield store


def test_a_path_is_its_own_place(tmp_path: Path) -> None:
    place = RunPlace.of(tmp_path / "run")
    assert place.folder.path == tmp_path / "run"
    assert str(place.labels) == str(place.folder.labels)
    assert str(place.draws("a" * 20, "direct")) == str(place.folder.draws("a" * 20, "direct"))
    place.publish()
    assert not (tmp_path / "run").exists()


def test_a_run_in_a_store_is_the_run_of_a_folder(flaky: type[FlakyStore], tmp_path: Path) -> None:
    here = balance(SETTINGS, tmp_path / "here")
    there = balance(SETTINGS, ADDRESS)
    assert there.sampler.digest == here.sampler.digest
    assert there.shares() == here.shares()
    home = open_folder(ADDRESS)
    own = {path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("[!.]*.*")}
    for file in sorted(own):
        folder = home if file.parent == Path() else home / file.parent.as_posix()
        assert folder.size(file.name), file
    assert flaky.put[-1].endswith("record.json"), "with the record a run is whole"
    assert {found.name for found in run_status(ADDRESS)} >= {"labels"}
    assert load_sampler(f"{ADDRESS}/sampler.safetensors").digest == here.sampler.digest


def test_another_machine_goes_on_with_the_labels(flaky: type[FlakyStore], tmp_path: Path) -> None:
    first = balance(SETTINGS, ADDRESS)
    shutil.rmtree(tmp_path / "cache")
    flaky.put.clear()
    again = balance(SETTINGS, ADDRESS)
    assert again.record.cost.labels_computed == 0
    assert again.sampler.digest == first.sampler.digest
    assert not [name for name in flaky.put if name.endswith(".parquet")]


def test_an_older_run_is_replaced_and_never_mixed_with(
    flaky: type[FlakyStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    balance(replace(SETTINGS, beside=("shift",)), ADDRESS)
    home = open_folder(ADDRESS)
    assert home.size("sampler-shift.safetensors")
    put = FlakyStore.put_file

    def failing(self: FlakyStore, lpath: str, rpath: str, **given: object) -> None:
        if rpath.endswith("settings.toml"):
            raise KeyboardInterrupt
        put(self, lpath, rpath, **given)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(FlakyStore, "put_file", failing)
        balance(SETTINGS, ADDRESS)
    assert home.size("record.json") is None, "a run that is half put has no record"
    balance(SETTINGS, ADDRESS)
    assert home.size("record.json")
    assert home.size("sampler-shift.safetensors") is None


def test_a_sampler_in_a_store_serves_engines(
    flaky: type[FlakyStore], toy_sampler: Sampler, tmp_path: Path
) -> None:
    """Workers read it by its address, whatever their working folder."""
    save_sampler(toy_sampler, tmp_path / "s.safetensors")
    with open_folder("flaky://bucket/a").writing("s.safetensors") as part:
        part.write_bytes((tmp_path / "s.safetensors").read_bytes())
    models = open_models(Settings(generator="toy", attributes=("smiling", "skin_tone")))
    files = {"there": Path("flaky://bucket/a/s.safetensors"), "here": tmp_path / "s.safetensors"}
    with ThreadPoolExecutor(2) as executor:
        execution = Execution(engine=OnExecutor(executor, 2))
        for name, file in files.items():
            opened = load_sampler(file, models.generator), models
            out = tmp_path / name
            write_shards(file, opened, DrawRequest(12), out, shard_size=4, execution=execution)
    tables = [(tmp_path / name / "00000.tar").read_bytes() for name in ("there", "here")]
    assert tables[0] == tables[1]


def test_the_command_line_takes_and_names_addresses(
    flaky: type[FlakyStore], cli: Callable[..., Done], tmp_path: Path
) -> None:
    words = ("--generator", "toy", "--attributes", "smiling,skin_tone", "--n", 1500)
    done = cli("balance", *words, "--measure-n", 200, "--out", ADDRESS)
    assert f"sampler  {ADDRESS}/sampler.safetensors" in done.stdout
    assert f"report   {ADDRESS}/report.html" in done.stdout
    assert f"equipoise sample {ADDRESS}/sampler.safetensors" in done.stdout
    sampler = f"{ADDRESS}/sampler.safetensors"
    cli("sample", sampler, "--n", 12, "--out", tmp_path / "images")
    assert len(list((tmp_path / "images").rglob("*.png"))) == 12


def test_a_file_that_a_store_lacks_or_that_is_too_large_is_named(
    flaky: type[FlakyStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileFormatError, match=r"file flaky://bucket/x\.safetensors must be there"):
        load_sampler("flaky://bucket/x.safetensors")
    with (open_folder("flaky://bucket") / "a").writing("x.safetensors") as part:
        part.write_bytes(bytes(100))
    monkeypatch.setattr("equipoise.samplers.file._LARGEST_FILE", 50)
    with pytest.raises(FileFormatError, match="of at most 50 bytes, got more"):
        load_sampler("flaky://bucket/a/x.safetensors")

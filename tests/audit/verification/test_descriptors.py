"""Descriptors of a function are the same on any engine, and none is computed twice."""

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.audit.images import AuditImages
from equipoise.audit.verification.describers import DescriberAddress
from equipoise.audit.verification.descriptors import Descriptors, compute_descriptors
from equipoise.core.errors import (
    FileFormatError,
    InputError,
    ModelOutputError,
    StorageError,
    WorkerError,
)
from equipoise.core.progress import Execution
from equipoise.engines import OnExecutor, Processes

EMBED = """
import numpy as np

described = []

def embed(images):
    described.append(len(images))
    small = images[:, :, ::4, ::4].reshape(len(images), -1).astype(np.float64)
    small[small.sum(axis=1) % 5 == 0] = np.nan
    return small - small.mean(axis=1, keepdims=True)

embed.digest = "weights"

def uneven(images):
    return np.ones((len(images), len(images)))
"""
URI = "faces_of_mine:embed"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the function, of each test's own."""
    home = tmp_path / "module"
    home.mkdir()
    (home / "faces_of_mine.py").write_text(EMBED)
    monkeypatch.syspath_prepend(str(home))
    yield importlib.import_module("faces_of_mine")
    del sys.modules["faces_of_mine"]


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_stopped_call_goes_on_with_the_files_and_numbers_of_threads(
    material: AuditImages, mine: ModuleType, tmp_path: Path
) -> None:
    pictures = material.take([*range(200), 0]).pictures

    def stop(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("describe", 200)
        if done:
            raise KeyboardInterrupt

    def compute(folder: str, execution: Execution) -> Descriptors:
        return compute_descriptors(DescriberAddress(URI), pictures, tmp_path / folder, execution)

    threads = compute("threads", Execution(2))
    assert 10 < (~threads.found).sum() < 100, "some faces are not found"
    assert sum(mine.described) == 200, "of equal images one is described"
    with ThreadPoolExecutor(1) as executor:
        engine = OnExecutor(executor, 1)
        with pytest.raises(KeyboardInterrupt):
            compute("engine", Execution(engine=engine, progress=stop))
        found = compute("engine", Execution(engine=engine))
        assert (threads.asked, threads.kept) == (200, 0), "equal images count once"
        assert (found.asked, found.kept) == (136, 64)
        assert np.array_equal(found.vectors, threads.vectors, equal_nan=True)
        assert files(tmp_path / "engine") == files(tmp_path / "threads")
        assert compute("engine", Execution(engine=engine)).kept == 200
        assert compute("engine", Execution()).kept == 200
    assert sum(mine.described) == 400, "a face without a descriptor is not described again"


def test_another_function_under_the_name_is_asked_anew_and_refused_of_a_worker(
    material: AuditImages, mine: ModuleType, tmp_path: Path
) -> None:
    pictures, file = material.take(range(10)).pictures, tmp_path / "module" / "faces_of_mine.py"

    def compute(execution: Execution = Execution()) -> Descriptors:
        return compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "kept", execution)

    found = [compute()]
    file.write_text(f"{EMBED}# changed\n")
    found.append(compute())
    mine.embed.digest = "other weights"
    found.append(compute())
    assert [one.kept for one in found] == [0, 0, 0]
    assert len({one.digest for one in found}) == 3

    class Other(ThreadPoolExecutor):
        """Its workers see another file."""

        def submit(self, *given):  # type: ignore[no-untyped-def]
            file.write_text(EMBED)
            return super().submit(*given)

    file.write_text(f"{EMBED}# changed again\n")
    with Other(1) as executor, pytest.raises(InputError, match="models of a worker must be those"):
        compute(Execution(engine=OnExecutor(executor, 1)))


def test_a_function_that_says_nothing_of_its_weights_is_asked_anew(
    material: AuditImages, mine: ModuleType, tmp_path: Path
) -> None:
    pictures, threads = material.take(range(10)).pictures, Execution()
    mine.embed.digest = ""
    with ThreadPoolExecutor(1) as executor:
        for execution in (threads, Execution(engine=OnExecutor(executor, 1)), threads):
            found = compute_descriptors(
                DescriberAddress(URI), pictures, tmp_path / "kept", execution
            )
            assert (found.asked, found.kept) == (10, 0)
    assert sum(mine.described) == 30
    assert not list((tmp_path / "kept").iterdir()), "what is not kept is removed"
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="must be writable"):
        compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "file")
    mine.embed.digest = 3
    with pytest.raises(InputError, match="digest of faces_of_mine:embed must be a text, got 3"):
        compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "kept")


@pytest.mark.parametrize("damage", ["words", "lengths", "gap"])
def test_a_damaged_file_of_kept_descriptors_is_named(
    material: AuditImages, mine: ModuleType, tmp_path: Path, damage: str
) -> None:
    pictures = material.take(range(3)).pictures
    compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "kept")
    (file,) = (tmp_path / "kept").rglob("*.parquet")
    table = pq.read_table(file)
    damaged = {
        "words": table["image"],
        "lengths": pa.array([[1.0], [2.0, 3.0, 4.0], [5.0, 6.0]]),
        "gap": pa.array([[1.0] * 3, None, [2.0] * 3], pa.list_(pa.float32())),
    }
    other = pa.table({"image": table["image"], "descriptor": damaged[damage]})
    pq.write_table(other.replace_schema_metadata(table.schema.metadata), file)
    with pytest.raises(FileFormatError, match=f"descriptors {file} must be a whole Parquet file"):
        compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "kept")


def test_descriptors_of_several_lengths_and_lost_workers_end_in_an_error(
    material: AuditImages, mine: ModuleType, tmp_path: Path
) -> None:
    pictures = material.take(range(70)).pictures
    with pytest.raises(ModelOutputError, match=r"one length for all images, got \[6, 64\]"):
        compute_descriptors(DescriberAddress("faces_of_mine:uneven"), pictures, tmp_path / "uneven")

    class Deadly(ThreadPoolExecutor):
        def submit(self, *given):  # type: ignore[no-untyped-def]
            return super().submit(lambda: 1 // 0)

    with Deadly(1) as executor, pytest.raises(WorkerError, match="without the loss of 3 workers"):
        execution = Execution(engine=OnExecutor(executor, 1))
        compute_descriptors(DescriberAddress(URI), pictures, tmp_path / "kept", execution)


@pytest.mark.slow
def test_processes_give_the_files_of_threads(
    material: AuditImages, mine: ModuleType, tmp_path: Path
) -> None:
    pictures = material.take(range(70)).pictures
    for name, execution in {
        "processes": Execution(engine=Processes(1)),
        "threads": Execution(),
    }.items():
        compute_descriptors(DescriberAddress(URI), pictures, tmp_path / name, execution)
    assert files(tmp_path / "processes") == files(tmp_path / "threads")
    assert sum(mine.described) == 70, "processes describe elsewhere"

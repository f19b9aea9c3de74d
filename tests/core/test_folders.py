"""A folder of a store holds what a folder of a disk holds, and its faults are named."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from equipoise.core.errors import InputError, StorageError
from equipoise.core.folders import Folder, LocalFolder, open_folder
from tests.builders.google_store import GoogleStore
from tests.builders.hub_store import HubStore
from tests.builders.memory_store import memory_store
from tests.builders.stores import flaky_store

ROOT = Path(__file__).parents[2]


@pytest.fixture(
    params=[
        "local",
        "store",
        pytest.param("gs", marks=pytest.mark.extras("gcsfs")),
        pytest.param("hf", marks=pytest.mark.extras("huggingface_hub")),
    ]
)
def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Folder]:
    """An empty folder; those of gs:// and hf:// by their own libraries, from servers of ours."""
    if request.param == "local":
        yield open_folder(str(tmp_path / "new"))
    elif request.param == "store":
        with flaky_store() as store:
            yield open_folder(f"{store.protocol}://bucket/new")
    elif request.param == "gs":
        # It asks Google's own servers what kind a bucket is.
        monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        with memory_store(GoogleStore, "gs") as address:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
            yield open_folder("gs://bucket/new")
    else:
        with memory_store(HubStore, "hf") as address:
            # As HF_ENDPOINT, which its library reads once.
            monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": address})
            yield open_folder("hf://datasets/somebody/faces/new")


def write(home: Folder, name: str, content: bytes) -> None:
    with home.writing(name) as part:
        part.write_bytes(content)


def test_files_are_written_whole_read_by_name_listed_and_removed(home: Folder) -> None:
    home.prepare()
    assert list(home.names()) == [] and home.folders() == []
    assert home.size("a") is None and home.read("a") is None
    home.remove("a")
    write(home, "a", b"12345")
    assert (home.size("a"), home.read("a"), home.read("a", 2)) == (5, b"12345", b"12")
    with pytest.raises(ZeroDivisionError), home.writing("a") as part:
        part.write_bytes(b"6")
        raise ZeroDivisionError
    assert home.read("a") == b"12345"
    write(home / "inner", "b", b"")
    assert sorted(home.names()) in (["a"], ["a", "inner"])
    assert home.folders() == ["inner"]
    home.remove("a")
    assert home.size("a") is None


@pytest.mark.filterwarnings("ignore:Sending a large body")  # gcsfs does.
def test_a_large_file_comes_back_as_it_was_put(home: Folder) -> None:
    content = bytes(range(256)) * (6 * 2**12)
    write(home, "large", content)
    assert home.size("large") == len(content)
    assert home.read("large") == content
    with home.opened("large") as file:
        assert file.read(1000) == content[:1000]


@pytest.mark.skipif(os.name != "posix", reason="not applicable: it asks no other process")
@pytest.mark.parametrize("place", ["{}/new", "flaky://bucket/new"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    code = (
        "import os, signal, sys, tempfile; from equipoise.core.folders import open_folder\n"
        "from tests.builders.stores import flaky_store\n"
        f"tempfile.tempdir = {str(tmp_path / 'temporary')!r}\n"
        f"with flaky_store(), open_folder({place.format(tmp_path)!r}).writing('x.tar') as part:\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert killed.returncode == -9
    with flaky_store():
        home = open_folder(place.format(tmp_path))
        with home.writing("y.tar") as part:
            assert len(halves(tmp_path)) == 1
            part.write_bytes(b"of a living one")
            home.prepare()
            assert halves(tmp_path) == [part]
        assert home.read("y.tar") == b"of a living one"


def halves(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name.endswith("part")]


def test_a_folder_can_be_pickled_and_hashed(home: Folder) -> None:
    again = pickle.loads(pickle.dumps(home.absolute()))
    assert again == home.absolute() and hash(again) == hash(home.absolute())


def test_a_request_is_made_again_three_times_and_then_named() -> None:
    with flaky_store() as store:
        home = open_folder(f"{store.protocol}://bucket")
        store.every = 2
        for number in range(8):
            write(home, str(number), b"x")
        assert [home.read(str(number)) for number in range(8)] == [b"x"] * 8
        store.every = 1
        store.requests = 0
        with pytest.raises(StorageError, match=r"store flaky://bucket/1 must answer.*busy.*same"):
            home.read("1")
        assert store.requests == 4


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("s3://key:secret@bucket/x", r"address must hold no password, got s3://\.\.@bucket/x\. "),
        ("memory://", "address must name a bucket or a folder, got memory://"),
        ("file:///tmp/x", "path must be given without file://, got file:///tmp/x"),
        ("nosuch://bucket/x", "must be of a store that fsspec can open, got ValueError"),
    ],
)
def test_a_bad_address_is_named(place: str, error: str) -> None:
    with pytest.raises(InputError, match=error):
        open_folder(place)


def test_no_store_is_imported_unasked(tmp_path: Path) -> None:
    code = (
        "import sys; from equipoise.core.folders import open_folder; "
        f"open_folder({str(tmp_path)!r}).prepare(); "
        "assert not {'fsspec', 's3fs', 'gcsfs', 'ray', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file must be writable"):
        LocalFolder(tmp_path / "file").prepare()

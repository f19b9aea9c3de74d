"""Labels and exports in a store: no shard is lost or done twice, whatever fails."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core import folders
from equipoise.core.completion import completions
from equipoise.core.errors import StorageError
from equipoise.core.folders import open_folder
from equipoise.core.progress import Execution
from equipoise.core.settings import from_dict
from equipoise.engines import Processes
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import SHARD_ROWS, collect
from equipoise.runs.status import run_status
from equipoise.samplers.export.shards import write_shards
from equipoise.samplers.file import save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done
from tests.builders.stores import FlakyStore, flaky_store

N = 3 * SHARD_ROWS


@pytest.fixture
def flaky() -> Iterator[type[FlakyStore]]:
    with flaky_store() as store:
        store.every, store.stale = 5, 10
        yield store


def local(folder: Path) -> dict[str, bytes]:
    kept = (".tar", ".parquet")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in kept}


def stored(address: str, names: dict[str, bytes]) -> dict[str, bytes | None]:
    home = open_folder(address)
    return {name: home.read(name) for name in names}


def test_labels_survive_failed_requests_old_listings_and_a_store_that_goes(
    toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path, flaky: type[FlakyStore]
) -> None:
    models, address = Models(toy, toy_panel), "flaky://bucket/run/labels"
    collect(models, N, 0, tmp_path)
    flaky.last = 15
    with pytest.raises(StorageError, match=r"store flaky://bucket/run/labels/.* must answer, .*"):
        collect(models, N, 0, address)
    before = [name for name in flaky.put if name.endswith(".done.json")]
    assert 0 < len(before) < 3
    flaky.last = 10**9
    table = collect(models, N, 0, address)
    # A table that was whole before its record could be written is not labelled again.
    whole = len({name for name in flaky.put if name.endswith(".parquet")})
    assert len([name for name in flaky.put if name.endswith(".parquet")]) == whole == 3
    assert table.computed <= N - len(before) * SHARD_ROWS
    assert stored(address, local(tmp_path)) == local(tmp_path)
    assert len(table.labels()) == N
    assert collect(models, N, 0, address).computed == 0


def test_an_export_survives_them_too(
    toy_sampler: Sampler, tmp_path: Path, flaky: type[FlakyStore]
) -> None:
    models = ModelAddresses.of(from_dict(toy_sampler.settings)).open()
    opened, file = (toy_sampler.bound(models.generator), models), tmp_path / "s.safetensors"
    save_sampler(toy_sampler, file)
    write_shards(file, opened, DrawRequest(14), tmp_path / "out", shard_size=4)
    address = "flaky://bucket/faces"
    flaky.last = 20
    with pytest.raises(StorageError, match=r"store flaky://bucket/faces/.* must answer"):
        write_shards(file, opened, DrawRequest(14), address, shard_size=4)
    flaky.last = 10**9
    write_shards(file, opened, DrawRequest(14), address, shard_size=4)
    assert stored(address, local(tmp_path / "out")) == local(tmp_path / "out")
    records = [name for name in flaky.put if name.endswith(".done.json")]
    assert len(records) == len(set(records)) == 4
    flaky.stale = 0
    (found,) = run_status(address)
    assert (found.rows, found.total, found.shards) == (14, 14, 4)


class Wire:
    """Passes connections on to a server, until it is cut; what the server holds stays."""

    def __init__(self, port: int) -> None:
        self._listening, self._port = socket.create_server(("127.0.0.1", 0)), port
        self._cut = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def cut(self, whether: bool = True) -> None:
        self._cut = whether
        while whether and self._open:
            with self._open.pop() as one, contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._listening, contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                if self._cut:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._port))
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(2**16):
                other.sendall(content)
            other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server on this machine that speaks S3, and has the bucket s3://archive."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wire = Wire(port)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{wire.port}",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import fsspec

    fsspec.config.conf.clear()
    # They keep the address of a server of an earlier test.
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    folders._filesystem.cache_clear()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            fsspec.filesystem("s3", use_listings_cache=False).mkdir("archive")
            yield wire
        finally:
            wire.close()
            server.kill()


@pytest.fixture
def bucket(wire: Wire) -> str:
    return "s3://archive"


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("processes", marks=pytest.mark.extras("s3fs", "moto")),
        pytest.param("ray", marks=pytest.mark.extras("s3fs", "moto", "ray")),
    ],
)
def test_workers_write_labels_to_s3_and_no_file_holds_a_credential(
    engine: str, bucket: str, cli: Callable[..., Done], tmp_path: Path
) -> None:
    given = ("collect", "--generator", "toy", "--attributes", "smiling,skin_tone", "--n", N)
    cli(*given, "--out", tmp_path / "here")
    try:
        cli(*given, "--out", f"{bucket}/run", "--engine", engine, "--workers", 2)
    finally:
        if engine == "ray":
            import ray

            ray.shutdown()
    wanted = local(tmp_path / "here" / "labels")
    assert stored(f"{bucket}/run/labels", wanted) == wanted
    home = open_folder(f"{bucket}/run") / "labels"
    files = [home.read(name) for name in home.names()]
    assert not any(os.environ["AWS_SECRET_ACCESS_KEY"].encode() in (file or b"") for file in files)
    assert "labels   6,144/6,144 in 3 shards" in cli("status", f"{bucket}/run").stdout
    no_bucket = f"{bucket}-that-is-not-there/run"
    error = cli(*given, "--out", no_bucket, code=2).error
    assert f"store {no_bucket}" in error and "bucket" in error


@pytest.mark.extras("s3fs", "moto")
def test_a_lost_connection_to_s3_is_named_and_a_repeat_goes_on(
    wire: Wire, bucket: str, toy: ToyGenerator, toy_panel: ClassifierPanel, tmp_path: Path
) -> None:
    models = ModelAddresses.of(
        from_dict({"generator": "toy", "attributes": ["smiling", "skin_tone"]})
    ).open()
    collect(models, N, 0, tmp_path)
    before: dict[str, float] = {}

    def lose(stage: str, done: int, total: int) -> None:
        if done and not before:
            home = open_folder(f"{bucket}/run")
            before.update({found.file: found.finished for found in completions(home)})
            wire.cut()

    with pytest.raises(StorageError, match=r"store s3://archive/run.* must answer, .*resumes"):
        engine = Processes(1)
        collect(models, N, 0, f"{bucket}/run", execution=Execution(progress=lose, engine=engine))
    assert 0 < len(before) < 3
    wire.cut(False)
    table = collect(models, N, 0, f"{bucket}/run", execution=Execution(engine=Processes(1)))
    after = {found.file: found.finished for found in completions(open_folder(f"{bucket}/run"))}
    assert before.items() <= after.items() and len(after) == 3, "a shard was labelled twice"
    assert table.labels().levels.shape == (N, 2)
    assert stored(f"{bucket}/run", local(tmp_path)) == local(tmp_path)

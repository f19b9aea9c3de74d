"""Labels have the same bytes on every engine, whatever died."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import equipoise
from equipoise.classifiers.models import ModelAddresses, Models
from equipoise.core.completion import completions
from equipoise.core.errors import FileFormatError, InputError, WorkerError
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Execution
from equipoise.core.settings import Settings
from equipoise.engines import OnExecutor, Processes, RayActors, Shard
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.collect import LabelTable, collect, label_codes
from equipoise.labelling.shards import (
    SHARD_ROWS,
    CodeSource,
    LabelTask,
    label_folder,
    prior_source,
)
from equipoise.runs.status import device_caveats, run_status
from tests.builders.clusters import dask_client
from tests.builders.command_line import Done
from tests.builders.processes import kill, start

N = 2 * SHARD_ROWS + 100
ADDRESSES = ModelAddresses.of(Settings(generator="toy", attributes=("smiling", "skin_tone")))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="module")
def models() -> Models:
    return ADDRESSES.open()


@pytest.fixture(scope="module")
def by_threads(models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("threads")
    collect(models, N, 5, folder)
    return contents(folder)


@pytest.mark.parametrize("name", ["executor", pytest.param("processes", marks=pytest.mark.slow)])
def test_bytes_are_those_of_threads_on_an_engine(
    name: str, models: Models, by_threads: dict[str, bytes], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as executor:
        engine = OnExecutor(executor, 2) if name == "executor" else Processes(2)
        table = collect(models, N, 5, tmp_path, execution=Execution(engine=engine))
        assert contents(tmp_path) == by_threads
        assert table.computed == N
        assert {done.total for done in completions(LocalFolder(tmp_path))} == {N}
        again = collect(models, N, 5, tmp_path, execution=Execution(engine=engine))
        assert again.computed == 0
        assert again.labels().levels.shape == (N, 2)


@pytest.mark.parametrize(
    "library",
    [
        pytest.param("ray", marks=pytest.mark.extras("ray")),
        pytest.param("dask", marks=pytest.mark.extras("distributed")),
    ],
)
def test_bytes_are_those_of_threads_on_a_cluster(
    library: str,
    models: Models,
    by_threads: dict[str, bytes],
    tmp_path: Path,
    cli: Callable[..., Done],
) -> None:
    if library == "ray":
        import ray

        given = ("--generator", "toy", "--n", N, "--seed", 5, "--out", tmp_path)
        cli("collect", *given, "--engine", "ray", "--workers", 2)
        ray.shutdown()
    else:
        with dask_client() as client:
            engine = OnExecutor(client.get_executor(), 4)
            collect(models, N, 5, tmp_path / "labels", execution=Execution(engine=engine))
    assert contents(tmp_path / "labels") == by_threads


@pytest.mark.extras("ray")
def test_a_node_of_a_ray_cluster_that_goes_costs_the_shards_under_way(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray import cluster_utils

    monkeypatch.setenv("PYTHONPATH", str(Path(equipoise.__file__).parents[1]), prepend=":")
    n, whole, broken = 12 * SHARD_ROWS, tmp_path / "whole", tmp_path / "broken"
    collect(models, n, 5, whole)
    node = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False}
    )
    before: dict[str, float] = {}
    try:
        nodes = [cluster.add_node(**node) for _ in range(2)]
        cluster.wait_for_nodes()

        def remove(stage: str, done: int, total: int) -> None:
            if done >= 4 * SHARD_ROWS and not before:
                cluster.remove_node(nodes[1], allow_graceful=False)
                before.update(finished(broken))

        engine = RayActors(3, cluster.address)
        collect(models, n, 5, broken, execution=Execution(progress=remove, engine=engine))
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert contents(broken) == contents(whole)
    after = finished(broken)
    assert 4 <= len(before) < 12 == len(after)
    assert before.items() <= after.items(), "a shard was labelled twice"


def finished(folder: Path) -> dict[str, float]:
    """When each shard was done."""
    return {found.file: found.finished for found in completions(LocalFolder(folder))}


@pytest.mark.extras("ray")
def test_a_killed_driver_of_ray_leaves_the_same_bytes(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    given = ["collect", "--generator", "toy", "--n", str(8 * SHARD_ROWS)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    cli(*given, "--out", whole)
    driver = start(*given, "--engine", "ray", "--workers", 1, "--out", broken)
    wait_for(broken / "labels", 1)
    kill(driver)
    done, seen = finished(broken / "labels"), 0
    while seen != len(done):  # Its actor may end the shard that it has begun.
        time.sleep(2)
        done, seen = finished(broken / "labels"), len(done)
    assert 1 <= len(done) < 8
    cli(*given, "--out", broken)
    assert contents(broken / "labels") == contents(whole / "labels")
    assert done.items() <= finished(broken / "labels").items(), "a shard was labelled twice"


def test_a_killed_driver_and_a_killed_worker_leave_the_same_bytes(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    n = 6 * SHARD_ROWS
    given = ["collect", "--generator", "toy", "--n", str(n)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    cli(*given, "--out", whole)
    driver = start(*given, "--engine", "processes", "--workers", 1, "--out", broken)
    assert driver.pid
    wait_for(broken / "labels", 1)
    os.kill(_children(driver.pid)[0], signal.SIGKILL)
    wait_for(broken / "labels", 2)
    workers = _children(driver.pid)
    kill(driver)
    for worker in workers:  # They end their shard, and then see that the driver is gone.
        while Path(f"/proc/{worker}/stat").exists() and not _is_dead(worker):
            time.sleep(0.01)
    done = finished(broken / "labels")
    assert 2 <= len(done) < 6
    cli(*given, "--out", broken)
    assert contents(broken / "labels") == contents(whole / "labels")
    after = finished(broken / "labels")
    assert {name: after[name] for name in done} == done, "a shard was labelled twice"


def wait_for(folder: Path, shards: int) -> None:
    until = time.monotonic() + 60
    while not folder.exists() or len(list(folder.glob("*.done.json"))) < shards:
        assert time.monotonic() < until
        time.sleep(0.01)


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task")
    return [int(c) for task in tasks.iterdir() for c in (task / "children").read_text().split()]


def _is_dead(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_models_without_addresses_are_refused(
    toy: ToyGenerator, models: Models, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="models must be opened by address"):
        collect(
            Models(toy, models.panel), 10, 0, tmp_path, execution=Execution(engine=Processes(1))
        )


def test_a_worker_that_opens_other_models_is_refused(models: Models, tmp_path: Path) -> None:
    other = ModelAddresses.of(
        Settings(generator="toy", attributes=("smiling", "skin_tone"), batch_size=7)
    )
    mixed = Models(models.generator, models.panel, other)
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(InputError, match=r"models of a worker must be those of the run.*batch_size"),
    ):
        collect(mixed, 10, 0, tmp_path, execution=Execution(engine=OnExecutor(executor, 1)))


def test_shards_that_lose_their_workers_are_named_and_the_rest_is_kept(
    models: Models, by_threads: dict[str, bytes], tmp_path: Path
) -> None:
    class Lossy(ThreadPoolExecutor):
        """Loses whatever does shard 1."""

        def submit(self, function, task, shard):  # type: ignore[no-untyped-def, override]
            if shard.number != 1:
                return super().submit(function, task, shard)
            return super().submit(lambda: 1 / 0)

    with (
        Lossy(1) as executor,
        pytest.raises(WorkerError, match="shard 1 must be done without the loss of 3 workers"),
    ):
        collect(models, N, 5, tmp_path, execution=Execution(engine=OnExecutor(executor, 1)))
    kept = contents(tmp_path)
    assert kept == {name: by_threads[name] for name in kept}
    assert len(kept) == 2
    assert collect(models, N, 5, tmp_path).computed == SHARD_ROWS
    assert contents(tmp_path) == by_threads


def test_codes_of_any_source_are_handed_to_workers_and_not_kept(
    models: Models, tmp_path: Path
) -> None:
    prior = models.generator.prior
    source = CodeSource(
        "every second", lambda start, stop: prior.codes(1, 2 * start, 2 * stop)[::2]
    )
    label_codes(models, source, N, tmp_path / "threads")
    with ThreadPoolExecutor(2) as executor:
        on = Execution(engine=OnExecutor(executor, 2))
        label_codes(models, source, N, tmp_path / "engine", execution=on)
    assert contents(tmp_path / "engine") == contents(tmp_path / "threads")
    names = {path.name for path in (tmp_path / "engine").iterdir()}
    assert names == {path.name for path in (tmp_path / "threads").iterdir()}


def test_codes_that_a_worker_cannot_reach_are_named(models: Models, tmp_path: Path) -> None:
    stored = label_folder(models, prior_source(models, 0), LocalFolder(tmp_path))
    task = LabelTask(ADDRESSES, None, stored.home, stored.identity, 10)
    with pytest.raises(FileFormatError, match=r"codes-00000\.npy must be there until"):
        task.open()(Shard(0, 0, 10))


class OnDevice(ToyGenerator):
    """The toy, which says that it computes elsewhere."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device


def test_labels_of_two_types_of_device_are_mixed_where_that_is_wanted(
    models: Models, by_threads: dict[str, bytes], tmp_path: Path
) -> None:
    def labels(device: str, n: int, *, mixed: bool) -> LabelTable:
        own = Models(OnDevice(device), models.panel, mixed_devices=mixed)
        return collect(own, n, 5, tmp_path / "labels")

    labels("cuda:0", SHARD_ROWS, mixed=False)
    assert labels("cuda:1", 2 * SHARD_ROWS, mixed=False).computed == SHARD_ROWS
    with pytest.raises(InputError, match="device that it was made on, or pass --mixed-devices"):
        labels("cpu", N, mixed=False)
    found = labels("cpu", N, mixed=True)
    assert found.computed == N - 2 * SHARD_ROWS
    assert (
        contents(tmp_path / "labels")["labels-00002.parquet"] == by_threads["labels-00002.parquet"]
    ), "a shard names its own device"
    assert len(found.labels()) == N
    with pytest.raises(InputError, match="Choose another folder, or the settings"):
        own = Models(OnDevice("cpu"), models.panel, mixed_devices=True)
        collect(own, N, 6, tmp_path / "labels")
    (status,) = run_status(tmp_path)
    assert status.devices == {"cpu": N - 2 * SHARD_ROWS, "cuda": 2 * SHARD_ROWS}
    (caveat,) = device_caveats(tmp_path)
    assert caveat.startswith("Rows of labels were computed on cpu (100) and cuda (4,096)")


def test_a_worker_on_another_type_of_device_is_refused_or_mixed(
    models: Models, tmp_path: Path
) -> None:
    elsewhere = Models(OnDevice("cuda"), models.panel)
    stored = label_folder(elsewhere, prior_source(elsewhere, 5), LocalFolder(tmp_path))
    with pytest.raises(InputError, match="models of a worker must be those of the run"):
        LabelTask(ADDRESSES, 5, stored.home, stored.identity, 10).open()
    mixed = replace(ADDRESSES, mixed_devices=True)
    LabelTask(mixed, 5, stored.home, stored.identity, 10).open()(Shard(0, 0, 10))
    (done,) = completions(LocalFolder(tmp_path))
    assert (done.device, json.loads(done.identity)["device"]) == ("cpu", "cpu")

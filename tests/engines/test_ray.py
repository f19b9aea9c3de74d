"""A node of a Ray cluster may go: its shards are done elsewhere."""

import sys
from pathlib import Path

import pytest

from equipoise.core.errors import InputError, WorkerError
from equipoise.engines import RayActors, Shard, run
from tests.builders.shard_tasks import AskService, WriteNumbers

ROOT = Path(__file__).parents[2]


def shards(count: int) -> list[Shard]:
    return [Shard(i, i, i + 1) for i in range(count)]


@pytest.mark.extras("ray")
def test_shards_of_a_removed_node_go_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray import cluster_utils

    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}", prepend=":")
    node = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False}
    )
    try:
        nodes = [cluster.add_node(**node) for _ in range(2)]
        cluster.wait_for_nodes()
        task = WriteNumbers(tmp_path)
        ended = run(RayActors(3, cluster.address), task, shards(2000))
        found = [next(ended) for _ in range(50)]
        cluster.remove_node(nodes[1], allow_graceful=False)
        found += ended
        assert task.done == set(range(2000))
        assert sorted(one.shard.number for one in found) == list(range(2000))
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.extras("ray")
def test_workers_with_files_of_their_own_keep_one_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}", prepend=":")
    try:
        list(run(RayActors(3), AskService(tmp_path, 20), shards(30)))
    finally:
        ray.shutdown()
    asked = [one.read_text().split() for one in tmp_path.glob("*.asked")]
    times = [float(at) for at, _ in asked]
    assert len(times) == 30
    assert max(times) - min(times) >= 29 / 20 * 0.95


@pytest.mark.extras("ray")
def test_a_missing_cluster_is_named(tmp_path: Path) -> None:
    import ray

    assert not ray.is_initialized()
    with pytest.raises(WorkerError, match="address must be that of a Ray cluster, got auto: "):
        list(run(RayActors(1, "auto"), WriteNumbers(tmp_path), shards(1)))


def test_a_machine_without_ray_is_answered_by_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"engine ray must have ray .*Run `pip install .*\[ray\]"):
        list(run(RayActors(1), WriteNumbers(tmp_path), shards(1)))

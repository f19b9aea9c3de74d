"""`equipoise audit --engine`: workers ask a service under one rate limit, and nothing twice."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.audit.answer_shards import AnswerTask
from equipoise.audit.images import AuditImages
from equipoise.audit.kept_answers import AskedByAddress
from equipoise.audit.material_shards import PartTask
from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.restore_shards import RestoreTask
from equipoise.classifiers.models import ClassifierAddress, ModelAddresses
from equipoise.core.folders import LocalFolder
from equipoise.samplers.file import save_sampler
from equipoise.samplers.job import DrawRequest
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done
from tests.builders.services import Reply, face, serving
from tests.engines.test_contract import assert_portable

RATE = 100
DESCRIBED = f"""
name = "counting"
[request]
url = "http://127.0.0.1:PORT/ask"
upload = "raw"
[limits]
rate = {RATE}
[[attribute]]
name = "gender"
levels = ["female", "male"]
label = "faces[0].gender"
confidence = "faces[0].p"
"""


def test_tasks_of_audits_are_equal_after_their_journey() -> None:
    home, addresses = LocalFolder(Path("/a")), ModelAddresses("toy", ("a",), (), 0.0, "cpu", 1)
    assert_portable(AnswerTask(AskedByAddress(ClassifierAddress("mine:model")), home, "{}", 0))
    assert_portable(RestoreTask(RestorerAddress("pulse", 4), "digest", 0, home, 0))
    assert_portable(PartTask(addresses, Path("s"), DrawRequest(9), Path("/a"), "{}"))


def test_a_rate_that_each_machine_of_a_cluster_keeps_is_named(
    material: AuditImages, cli: Callable[..., Done], tmp_path: Path
) -> None:
    service = tmp_path / "service.toml"
    service.write_text(DESCRIBED.replace("PORT", "9"))
    given = ("audit", "classifier", material.folder, "--model", service, "--attribute", "gender")
    rate = "rate of counting, 100 requests a second, holds for each machine of the cluster"
    done = cli(*given, "--engine", "ray", "--address", "auto", "--dry-run")
    assert rate in " ".join(done.stdout.split())
    done = cli(*given, "--engine", "ray", "--dry-run")
    assert "rate of" not in done.stdout, "a cluster on this machine keeps one rate"


def test_processes_ask_each_image_once_under_one_rate_limit(
    material: AuditImages,
    cli: Callable[..., Done],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    times: list[float] = []
    found = {}

    def reply(_: int, body: bytes) -> Reply:
        return Reply(body=face(sum(body) % 2).body)

    with serving(reply) as service:
        (tmp_path / "service.toml").write_text(DESCRIBED.replace("PORT", str(service.port)))
        given = ("--model", tmp_path / "service.toml", "--attribute", "gender")
        for engine in ("processes", "threads"):
            out = tmp_path / engine
            options = ("--engine", engine, "--workers", 2, "--out", out)
            cli("audit", "classifier", material.folder, *given, *options)
            found[engine] = {
                file.name: file.read_bytes() for file in (out / "answers").rglob("*.parquet")
            }
        bodies = Counter(one.body for one in service.asked)
        times = sorted(one.at for one in service.asked)
    assert len(bodies) == 240 and set(bodies.values()) == {1}, "threads find all in the cache"
    assert times[-1] - times[0] >= 0.95 * 239 / RATE, "each worker kept a rate of its own"
    assert found["processes"] == found["threads"]


def test_an_audit_on_ray_is_that_of_threads(
    toy_sampler: Sampler, cli: Callable[..., Done], tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray")
    file, found = tmp_path / "sampler.safetensors", {}
    save_sampler(toy_sampler, file)
    given = (file, "--model", "pinned:skin_tone", "--attribute", "skin_tone", "--n", 60)
    for engine in ("ray", "threads"):
        out = tmp_path / engine
        options = ("--engine", engine, "--workers", 2, "--out", out)
        cli("audit", "classifier", *given, *options)
        record = json.loads((out / "audit.json").read_text())
        record["costs"][0].pop("seconds")
        files = [*(out / "answers").rglob("*.parquet"), *(out / "material").rglob("*.png")]
        found[engine] = record, {p.name: p.read_bytes() for p in files}
    ray.shutdown()
    assert found["ray"] == found["threads"]

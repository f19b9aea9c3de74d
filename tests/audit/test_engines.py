"""`equipoise audit --engine`: workers ask a service under one rate limit, and nothing twice."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.audit.answer_shards import AnswerTask
from equipoise.audit.counterfactuals.sweeps import SweepTask
from equipoise.audit.images import AuditImages
from equipoise.audit.kept_answers import AskedByAddress
from equipoise.audit.material_shards import PartTask
from equipoise.audit.superres.models import RestorerAddress
from equipoise.audit.superres.restore_shards import RestoreTask
from equipoise.audit.verification.describers import DescriberAddress
from equipoise.classifiers.models import ClassifierAddress, ModelAddresses
from equipoise.core.folders import LocalFolder
from equipoise.core.labels import Labels
from equipoise.engines import OnExecutor
from equipoise.generators.toy import ToyGenerator
from equipoise.labelling.image_files import PictureFiles
from equipoise.methods.shift.directions import fit_directions
from equipoise.methods.shift.hyperplanes import save_directions
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
    like = PictureFiles((), (), 256)
    home, addresses = LocalFolder(Path("/a")), ModelAddresses("toy", ("a",), (), 0.0, "cpu", 1)
    assert_portable(AnswerTask(AskedByAddress(ClassifierAddress("mine:model")), home, "{}", like))
    assert_portable(AnswerTask(DescriberAddress("mine:embed"), home, "{}", like))
    assert_portable(RestoreTask(RestorerAddress("pulse", 4), "digest", 0, home, like))
    shape = ("skin_tone", ((0.5, 0.5),), 9, 0)
    assert_portable(SweepTask(addresses, Path("s"), *shape, home, "{}"))
    assert_portable(PartTask(addresses, Path("s"), DrawRequest(9), Path("/a"), "{}"))


EMBED = """
def embed(images):
    return images[:, :, ::4, ::4].reshape(len(images), -1) - 100.0
embed.digest = "none"
"""
SKIN = ("--model", "pinned:skin_tone")
FACES = ("--descriptors", "some_faces:embed", "--fmr", 0.01)
RESTORING = ("--model", "bicubic", "--generator", "toy", "--n", 60, "--watch", "pinned:skin_tone")


PAIRS = (*SKIN, "--attribute", "skin_tone", "--n", 60, "--pairs", "smiling", "--pairs-n", 9)


@pytest.mark.parametrize(
    ("command", "options", "workers_open"),
    [
        ("classifier", PAIRS, [PartTask, SweepTask, *[AskedByAddress] * 2]),
        ("verification", ("--n", 60, *FACES, "--by", "smiling"), [PartTask, DescriberAddress]),
        ("photographs", ("--side", 32, *SKIN), [AskedByAddress]),
        (
            "superres",
            (*RESTORING, *FACES, "--attributes", "smiling"),
            [AskedByAddress, RestorerAddress, *[AskedByAddress] * 4, *[DescriberAddress] * 3],
        ),
    ],
)
def test_what_an_engine_writes_is_what_threads_write(
    command: str,
    options: tuple[object, ...],
    workers_open: list[type],
    material: AuditImages,
    toy: ToyGenerator,
    toy_labels: Labels,
    toy_sampler: Sampler,
    cli: Callable[..., Done],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "some_faces.py").write_text(EMBED)
    monkeypatch.syspath_prepend(str(tmp_path))
    what = material.folder
    if command == "classifier":
        directions = fit_directions(toy.prior.codes(0, 0, len(toy_labels)), toy_labels)
        save_directions(directions, tmp_path / "directions.safetensors")
    if command in ("classifier", "verification"):
        what = tmp_path / "sampler.safetensors"
        save_sampler(toy_sampler, what)
    if command == "photographs":
        beside, labels = tmp_path / "beside", material.folder / "metadata.csv"
        given = ("--attribute", "skin_tone", "--by", "smiling", "--out", beside)
        cli("audit", "classifier", material.folder, *SKIN, *given)
        options = (*options, "--beside", beside, "--labels", labels)

    def written(engine: str) -> dict[Path, object]:
        out = tmp_path / engine
        cli("audit", command, what, *options, "--engine", engine, "--out", out)
        found: dict[Path, object] = {}
        for path in (path for path in out.rglob("*.*") if path.suffix != ".html"):
            content: object = path.read_bytes()
            if path.suffix == ".json":
                content = json.loads(path.read_text())
                for cost in content.get("costs", ()):  # type: ignore[attr-defined]
                    del cost["seconds"]
            found[path.relative_to(out)] = content
        return found

    threads, opened = written("threads"), []

    class Noting(OnExecutor):
        def start(self, task):  # type: ignore[no-untyped-def]
            opened.append(type(getattr(task, "address", task)))
            return super().start(task)

    with ThreadPoolExecutor(2) as executor:
        engine = Noting(executor, 2)
        monkeypatch.setattr("equipoise.engines.open_engine", lambda *_, **__: engine)
        processes = written("processes")
    # How many sweeps are made ahead of those that are needed is a matter of time.
    ahead = {path for path in threads.keys() ^ processes.keys() if "sweeps" in path.parts}
    assert len(ahead) <= 2 * 4
    kept, other = ({k: v for k, v in one.items() if k not in ahead} for one in (threads, processes))
    assert other == kept
    assert opened == workers_open


def test_processes_ask_each_image_once_under_one_rate_limit(
    material: AuditImages,
    cli: Callable[..., Done],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    times: list[float] = []
    found, waits = {}, {}

    def reply(_: int, body: bytes) -> Reply:
        return Reply(body=face(sum(body) % 2).body)

    with serving(reply) as service:
        (tmp_path / "service.toml").write_text(DESCRIBED.replace("PORT", str(service.port)))
        given = ("--model", tmp_path / "service.toml", "--attribute", "gender")
        for engine in ("processes", "threads"):
            out = tmp_path / engine
            options = ("--engine", engine, "--workers", 2, "--out", out)
            cli("audit", "classifier", material.folder, *given, *options)
            files = (out / "answers").rglob("*.parquet")
            found[engine] = {file.name: pq.read_table(file).to_pydict() for file in files}
            groups = json.loads((out / "audit.json").read_text())["breakdowns"][0]["groups"]
            waits[engine] = [group["seconds"]["value"] for group in groups]
        bodies = Counter(one.body for one in service.asked)
        times = sorted(one.at for one in service.asked)
    assert len(bodies) == 240 and set(bodies.values()) == {1}, "threads find all in the cache"
    assert times[-1] - times[0] >= 0.95 * 239 / RATE, "each worker kept a rate of its own"
    seconds = {e: [s for t in found[e].values() for s in t.pop("seconds")] for e in found}
    assert found["processes"] == found["threads"]
    assert all(0 < second < 30 for second in seconds["processes"])
    assert all(0 < wait < 30 for wait in waits["processes"])
    assert np.isnan(seconds["threads"]).all() and waits["threads"] == [None] * 6, "none waited"


@pytest.mark.extras("ray")
def test_an_audit_on_ray_is_that_of_threads(
    toy_sampler: Sampler, cli: Callable[..., Done], tmp_path: Path
) -> None:
    import ray

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

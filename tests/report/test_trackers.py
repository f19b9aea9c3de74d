"""Runs in trackers, read back by the trackers' own libraries where these are installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from equipoise.core.errors import InputError, RemoteError
from equipoise.core.settings import Settings
from equipoise.pipeline import balance
from equipoise.report.trackers import log_run, run_facts
from equipoise.runs.folder import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore")  # The libraries warn of each other.

SETTINGS = Settings(
    generator="toy",
    attributes=("smiling",),
    method="shift",
    n=1000,
    measure_n=300,
    components=1,
    distance=1.5,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked") / "faces"
    balance(SETTINGS, folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "faces"))


def test_facts_are_the_records(finished: Path) -> None:
    facts, record = run_facts(RunFolder(finished)), RunFolder(finished).read_record()
    assert facts.settings["attributes"] == "smiling" and facts.settings["n"] == "1000"
    share = record.results[0].representation.cells[1]
    assert facts.numbers["shift/share/smiling_yes"] == share.share
    assert facts.numbers["shift/share/smiling_yes/low"] == share.joint[0]
    assert facts.numbers["shift/share/smiling_yes/target"] == 0.5
    names = {path.name for path in (*facts.files, *facts.pictures)}
    assert {"report.html", "record.json", "card.md", "settings.toml"} <= names
    assert any(name.endswith(".png") for name in names)


def test_an_unknown_tracker_is_refused(run: Path) -> None:
    with pytest.raises(InputError, match="tracker must be one of mlflow, wandb, tensorboard, got"):
        log_run(run, "paper")


@pytest.mark.extras("mlflow", "sqlalchemy", "alembic")
def test_mlflow_reads_the_run_back_and_a_repeat_keeps_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    facts = run_facts(RunFolder(run))
    first = log_run(run, "mlflow")
    assert log_run(run, "mlflow") == first
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("equipoise")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_id, found.info.status, found.info.run_name) == (
        first.id,
        "FINISHED",
        "faces",
    )
    assert found.data.params == facts.settings
    assert found.data.metrics == facts.numbers
    assert {one.path for one in client.list_artifacts(first.id)} == {
        *(path.name for path in facts.files),
        "pictures",
        "plots",
    }
    report = client.download_artifacts(first.id, "report.html", str(tmp_path))
    assert Path(report).read_bytes() == (run / "report.html").read_bytes()

    damaged = json.loads((run / "mlflow.json").read_text()) | {"id": "gone"}
    (run / "mlflow.json").write_text(json.dumps(damaged))
    with pytest.raises(RemoteError, match=r"tracker mlflow must take the run, got .*gone"):
        log_run(run, "mlflow")


@pytest.mark.extras("mlflow", "sqlalchemy")
def test_other_settings_begin_another_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    first = log_run(run, "mlflow")
    record = json.loads((run / "record.json").read_text())
    record["settings"]["workers"] = 2
    (run / "record.json").write_text(json.dumps(record))
    assert run_facts(RunFolder(run)).digest == first.settings
    record["settings"]["seed"] = 9
    (run / "record.json").write_text(json.dumps(record))
    assert log_run(run, "mlflow").id != first.id


@pytest.mark.extras("tensorboard")
def test_tensorboard_reads_the_run_back_and_a_repeat_keeps_one(run: Path) -> None:
    from tensorboard.backend.event_processing import event_accumulator as reader

    facts = run_facts(RunFolder(run))
    tracked = [log_run(run, "tensorboard"), log_run(run, "tensorboard")]
    assert tracked[0] == tracked[1]
    found = reader.EventAccumulator(tracked[0].store).Reload()
    assert set(found.Tags()["scalars"]) == set(facts.numbers)
    for name, value in facts.numbers.items():
        (event,) = found.Scalars(name)
        assert event.value == pytest.approx(value)
    assert set(found.Tags()["images"]) == set(facts.images)
    assert {"plots/shares", "plots/shift-confusion"} <= set(facts.images)
    assert "settings/text_summary" in found.Tags()["tensors"]


@pytest.mark.extras("wandb")
def test_wandb_keeps_one_run_offline(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    first = log_run(run, "wandb")
    assert log_run(run, "wandb").id == first.id
    kept = list((run / "wandb").glob("offline-run-*"))
    assert kept and all(path.name.endswith(first.id) for path in kept)

from __future__ import annotations

import io
import re
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.runs.folder import RunFolder
from equipoise.runs.steering import Steering
from equipoise.samplers.export import write_draws
from equipoise.samplers.job import DrawRequest
from equipoise.view import schema
from equipoise.view.api_runs import repeat
from equipoise.view.folder import Entry

RUN = "/api/runs/faces/a"
SMILES = "marginals: smiling=no:25,yes:75"


def drawn(client: Any, **body: Any) -> tuple[str, dict[str, Any]]:
    """Draw, wait, and return the address and the last answer."""
    begun = client.post(f"{RUN}/draws", json={"target": SMILES, "n": 40, **body})
    assert begun.status_code == 201, begun.text
    address = f"{RUN}/draws/{begun.json()['draw']}"
    for _ in range(400):
        found = client.get(address).json()
        if found["state"] not in ("waiting", "drawing"):
            return address, found
        time.sleep(0.02)
    raise AssertionError(found)


def test_runs_are_listed_and_described(client: Any) -> None:
    listed = client.get("/api/runs").json()
    assert (listed["total"], listed["runs"][0]["name"]) == (1, "faces/a")
    assert "the target" in listed["runs"][0]["words"]
    run = client.get(RUN).json()
    assert [a["name"] for a in run["attributes"]] == ["smiling", "skin_tone"]
    assert len(run["cells"]) == 6
    assert sum(cell["prior"] for cell in run["cells"]) == pytest.approx(1)
    assert client.get("/api/runs?find=other").json()["total"] == 0
    assert client.get("/api/runs/faces/b").status_code == 404


def test_a_plan_is_that_of_calibration(client: Any, runs: Path) -> None:
    found = client.post(f"{RUN}/plan", json={"target": SMILES}).json()
    steering = Steering.of(RunFolder(runs / "faces/a"))
    course = steering.course(steering.target(SMILES))
    assert [c["rate"] for c in found["cells"]] == pytest.approx(course.calibration.weights.tolist())
    for cell in found["cells"]:
        assert cell["share"]["low"] <= cell["share"]["value"] <= cell["share"]["high"]
    assert found["calls"]["value"] == pytest.approx(course.calls.value)
    assert found["calls"]["low"] is None


def test_the_own_target_is_within_reach_whatever_the_own_rates_brought(
    client: Any, runs: Path
) -> None:
    """Uniform text or marginals of 50.01: what the rates of the run bring is not what is near."""
    own = client.post(f"{RUN}/plan", json={"target": "uniform"}).json()
    beside = "marginals: smiling=no:50.01,yes:49.99; skin_tone=dark:1,medium:1,light:1"
    other = client.post(f"{RUN}/plan", json={"target": beside}).json()
    assert own["reachable"] is other["reachable"] is True
    assert own["nearest"] == pytest.approx(other["nearest"], abs=1e-3)
    assert own["distance"] > 1e-4
    assert other["distance"] == other["nearest"]


def test_the_command_of_a_plan_is_one_that_works(client: Any) -> None:
    body = {"target": "uniform", "faithful": None, "n": 40, "seed": 3}
    for verified in (True, False):
        found = client.post(f"{RUN}/plan", json={**body, "verified": verified}).json()
        assert ("--verified" in found["command"]) is verified
        assert f"--n 40 --seed 3{' --verified' if verified else ''} --out" in found["command"]
        assert f"DrawRequest(40, 3, None, {verified}, None)" in found["python"]
    asked = schema.PlanBody(target="uniform", faithful="0.9", verified=False)
    assert "--faithful" not in repeat(Entry("a", "run", Path("a"), 0.0), "uniform", asked)[0]


def test_what_is_drawn_is_counted_beside_the_target(client: Any) -> None:
    _, chance = drawn(client, n=40, verified=False)
    assert sum(one["count"] for one in chance["shares"]) == 40
    for one in chance["shares"]:
        assert one["share"]["low"] <= one["share"]["value"] <= one["share"]["high"]
    _, exact = drawn(client, n=40, verified=True)
    assert [one["share"]["low"] for one in exact["shares"]] == [None] * 6
    for one in exact["shares"]:
        assert one["count"] == pytest.approx(40 * one["target"], abs=1)


def test_prior_and_cells_are_targets(client: Any) -> None:
    run = client.get(RUN).json()
    prior = client.post(f"{RUN}/plan", json={"target": "prior"}).json()
    shares = [cell["prior"] for cell in run["cells"]]
    assert [cell["target"] for cell in prior["cells"]] == pytest.approx(shares)
    name = run["cells"][4]["name"]
    one = client.post(f"{RUN}/plan", json={"target": f"cells: {name}: 2"}).json()
    assert [cell["target"] for cell in one["cells"]] == [0, 0, 0, 0, 1, 0]
    assert not one["reachable"]
    assert one["distance"] > 0.001


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"target": "/etc/shares.csv"}, "target must be uniform"),
        ({"target": "marginals: x.csv"}, "target must be uniform"),
        ({"target": "marginals: hair=a:1"}, "attribute must be one of"),
        ({"target": "uniform", "faithful": "0.5"}, "faithful must be one of"),
    ],
)
def test_wrong_plans_are_refused_with_the_reason(
    client: Any, body: dict[str, Any], said: str
) -> None:
    refused = client.post(f"{RUN}/plan", json=body)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]


def test_verified_draws_have_exact_counts_and_are_those_of_the_command_line(
    client: Any, runs: Path, tmp_path: Path
) -> None:
    address, found = drawn(client, n=40)
    counts = Counter(image["achieved"] for image in found["images"])
    assert found["state"] == "done"
    smiling = sum(n for cell, n in counts.items() if "smiling=yes" in cell)
    assert (sum(counts.values()), smiling) == (40, 30)
    steering = Steering.of(RunFolder(runs / "faces/a"))
    from equipoise.pipeline import open_models

    models = open_models(steering.record.settings)
    sampler = steering.steered(steering.target(SMILES)).bound(models.generator)
    write_draws(sampler, models, DrawRequest(40, verified=True), tmp_path / "own")
    zipped = zipfile.ZipFile(io.BytesIO(client.get(f"{address}/download").content))
    assert len(zipped.namelist()) == 41
    for name in zipped.namelist():
        assert zipped.read(name) == (tmp_path / "own" / name).read_bytes()
    image = client.get(f"{address}/images/0")
    assert image.headers["content-type"] == "image/png"
    assert client.get(f"{address}/images/40").status_code == 404


def test_a_draw_survives_the_server(open_client: Any) -> None:
    address, found = drawn(open_client(), n=12, verified=False)
    client = open_client()
    (kept,) = client.get(f"{RUN}/draws").json()
    assert (address.rpartition("/")[2], SMILES, 12) == (kept["draw"], kept["target"], kept["n"])
    again = client.get(f"{address}?since=10").json()
    assert (again["state"], again["count"], len(again["images"])) == ("done", 12, 2)
    assert again["images"] == found["images"][10:]


def test_a_stopped_draw_goes_on(client: Any) -> None:
    body = {"target": SMILES, "n": 600, "verified": False}
    address = f"{RUN}/draws/{client.post(f'{RUN}/draws', json=body).json()['draw']}"
    assert client.delete(address).status_code == 204
    while client.get(address).json()["state"] in ("waiting", "drawing"):
        time.sleep(0.02)
    stopped = client.get(address).json()
    saved = client.get(f"{address}/download")
    if stopped["count"]:
        names = zipfile.ZipFile(io.BytesIO(saved.content)).namelist()
        assert len(names) == stopped["count"] + 1
    else:
        assert saved.status_code == 409
    assert client.get(f"{address}/download?format=npz").status_code == 409
    again, found = drawn(client, **body)
    assert (again, found["state"], found["count"]) == (address, "done", 600)
    assert [image["index"] for image in found["images"]] == list(range(600))


def test_draws_that_would_wait_too_long_are_refused(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.view.samplers._WAITING", -4)
    assert client.post(f"{RUN}/draws", json={"target": SMILES, "n": 4}).status_code == 429


@pytest.mark.parametrize("kind", ["npz", "tar"])
def test_a_sampler_answers_with_one_file(client: Any, kind: str) -> None:
    body = {"n": 6, "verified": False, "format": kind}
    answer = client.post("/samplers/faces/a/draw", json=body)
    assert answer.status_code == 200, answer.text
    assert client.get("/samplers").json() == ["faces/a"]
    if kind == "npz":
        with np.load(io.BytesIO(answer.content)) as arrays:
            assert arrays["images"].shape[0] == len(arrays["weight"]) == 6


def test_a_rule_that_a_draw_breaks_is_named_before_it_begins(client: Any) -> None:
    wrong = {"target": "uniform", "n": 4, "cell": "smiling=perhaps, skin_tone=dark"}
    assert "level" in client.post(f"{RUN}/draws", json=wrong).json()["detail"]
    for n in (0, 2001):
        assert client.post(f"{RUN}/draws", json={"target": "uniform", "n": n}).status_code == 422


def task_of(client: Any) -> dict[str, Any]:
    address, _ = drawn(client, n=60, verified=False)
    made = client.post(f"{address}/task", json={"per_answer": 3})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = client.get(f"/api/tasks/{made.json()['task']}").json()
    return found


def test_labels_are_asked_for_one_by_one_and_are_what_label_import_reads(
    client: Any, runs: Path, cli: Any, tmp_path: Path
) -> None:
    task = task_of(client)
    api = f"/api/tasks/{task['name']}"
    assert client.get(f"/runs/{task['name']}").status_code == 200
    asked = client.get(f"{api}/question?rater=anna").json()
    assert (asked["image"], asked["attribute"], asked["done"]) == (0, 0, 0)
    assert [len(a["colours"]) for a in task["attributes"]] == [0, 3]
    assert "typology angle" in task["attributes"][1]["scale"]
    assert client.get(f"{api}/images/0").headers["content-type"] == "image/png"
    for rater in ("anna", "ben"):
        asked = client.get(f"{api}/question?rater={rater}").json()
        while asked["image"] is not None:
            level = None if asked["done"] == 3 else asked["image"] % 2
            body = {"rater": rater, "image": asked["image"], "attribute": asked["attribute"]}
            asked = client.post(f"{api}/answers", json={**body, "level": level}).json()
    task = client.get(api).json()
    assert [(r["name"], r["done"]) for r in task["raters"]] == [
        ("anna", asked["total"]),
        ("ben", asked["total"]),
    ]
    assert task["agreement"][0]["kappa"] == 1
    result = client.get(f"{api}/result").json()
    assert result["judged"] > 0
    assert len(result["corrections"]) == 3
    folder = runs / task["name"]
    tables = [str(folder / "raters" / f"{name}.csv") for name in ("anna", "ben")]
    cli("label", "import", str(folder), *tables, "--json", str(tmp_path / "corrected.json"))


def test_label_studio_takes_the_answers_out_and_in(client: Any, open_client: Any) -> None:
    task = task_of(client)
    api = f"/api/tasks/{task['name']}"
    client.post(f"{api}/answers", json={"rater": "anna", "image": 0, "attribute": 0, "level": 1})
    tasks = client.get(f"{api}/label-studio").json()
    assert tasks[0]["annotations"][0]["created_username"] == "anna"
    assert b"<Choices" in client.get(f"{api}/label-studio/config").content
    tasks[0]["annotations"][0]["created_username"] = "ben"
    tasks[0]["annotations"][0]["more"] = "x" * 100_000  # Over the bound of other bodies.
    assert client.post(f"{api}/label-studio", json=tasks).json() == ["ben"]
    assert [r["done"] for r in client.get(api).json()["raters"]] == [1, 1]
    tasks[0]["data"]["equipoise"] = "<b>"
    assert "must be an image" in client.post(f"{api}/label-studio", json=tasks).json()["detail"]
    assert client.post(f"{api}/label-studio", json=[["x"]]).status_code == 422
    deep = client.post(f"{api}/label-studio", content="[" * 90_000)
    assert deep.status_code in (400, 422)
    assert client.post(f"{api}/label-studio", content="x" * (2**23 + 1)).status_code == 413
    closed = open_client(read_only=True)
    assert closed.post(f"{api}/label-studio", json=[]).status_code == 403


def test_a_second_click_changes_nothing_and_undo_takes_one_back(client: Any) -> None:
    task = task_of(client)
    api = f"/api/tasks/{task['name']}"
    first = {"rater": "anna", "image": 0, "attribute": 0, "level": 1}
    for _ in range(2):
        asked = client.post(f"{api}/answers", json=first).json()
        assert (asked["image"], asked["attribute"], asked["done"]) == (0, 1, 1)
    assert client.post(f"{api}/undo", json={"rater": "anna"}).json()["done"] == 0
    assert client.post(f"{api}/undo", json={"rater": "anna"}).json()["done"] == 0
    wrong = client.post(f"{api}/answers", json={**first, "level": 9})
    assert "level must be in 0..1" in wrong.json()["detail"]


def test_nothing_of_a_task_shows_what_the_classifier_said(client: Any) -> None:
    task = task_of(client)
    assert set(task) == {"name", "images", "attributes", "raters", "agreement"}
    for path in ("images/../answers.csv", "answers.csv", "plan.json"):
        assert client.get(f"/api/tasks/{task['name']}/{path}").status_code in (404, 422)


def test_openapi_names_every_answer(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) == 20
    for path, methods in paths.items():
        for method, one in methods.items():
            assert {"200", "201", "204"} & one["responses"].keys(), (path, method)
            assert one["description"], (path, method)
    kinds = {
        path: [*one["responses"]["200"]["content"]]
        for path, methods in paths.items()
        for method, one in methods.items()
        if (method == "get" or path.endswith("/draw"))
        and re.search(r"/(\{number\}|\{picture\}|download|draw|config|label-studio)$", path)
    }
    assert len(kinds) == 7
    assert {kind for (kind,) in kinds.values()} == {"image/png", "application/octet-stream"}, kinds


def test_a_value_that_breaks_its_rule_is_refused_in_one_sentence(client: Any) -> None:
    refused = client.post(f"{RUN}/draws", json={"target": "uniform", "n": 0, "sed": 1})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("n: Input should be greater than or equal to 1; sed")
    missing = client.get("/nonsense")
    assert missing.status_code == 404
    assert "There is no such page." in missing.text
    assert missing.text.lstrip().startswith("<!doctype html>")

"""What must never work: paths that leave, foreign pages, no token, long bodies, scripts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.view.server import make_app

RUN = "/api/runs/faces/a"


@pytest.mark.parametrize(
    "path",
    [
        f"{RUN}/pictures/../record.json",
        f"{RUN}/pictures/..%2frecord.json",
        f"{RUN}/pictures/..%5crecord.json",
        f"{RUN}/pictures/%2e%2e%2f%2e%2e%2fsecret.png",
        f"{RUN}/pictures/out.png",
        "/api/runs/../secret",
        "/api/runs/..%2fsecret",
        "/api/runs//etc",
        "/runs/..%2f..%2fetc%2fpasswd",
        "/static/..%2fserver.py",
        f"{RUN}/draws/..%2f..%2f..%2fx/images/0",
        f"{RUN}/draws/0123456789abcdef/images/0",
        f"{RUN}/draws/0123456789abcdef/images/-1",
        f"{RUN}/draws/0123456789abcdeg",
        "/api/tasks/..%2f..%2fsecret",
    ],
)
def test_no_path_leaves_the_folder(client: Any, runs: Path, path: str) -> None:
    secret = runs.parent / "secret.png"
    shutil.copyfile(next((runs / "faces/a/pictures").glob("*.png")), secret)
    (runs / "faces/a/pictures/out.png").symlink_to(secret)
    (runs / "link").symlink_to(runs.parent)
    assert client.get(path).status_code in (404, 422)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:7860"}, 421),
        ({"host": ""}, 421),
        ({"host": "localhost:7860"}, 200),
        ({"host": "[::1]:7860"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_foreign_hosts_and_pages_are_refused(
    client: Any, headers: dict[str, str], status: int
) -> None:
    answer = client.post(f"{RUN}/plan", json={"target": "uniform"}, headers=headers)
    assert answer.status_code == status


def test_a_host_can_be_allowed(open_client: Any) -> None:
    named = open_client(hosts=("lab.example",))
    assert named.get("/api/runs", headers={"host": "Lab.example:80"}).status_code == 200


def test_a_token_is_needed_leaves_the_address_and_stays_as_a_cookie(open_client: Any) -> None:
    client = open_client(token="right")
    for path in ("/", "/api/runs", "/static/view.js", "/?token=wrong", "/openapi.json"):
        assert client.get(path).status_code == 401
    assert client.get("/", headers={"cookie": "equipoise_token_7860=wrong; ;;"}).status_code == 401
    bearer = {"authorization": "Bearer right"}
    assert client.get("/api/runs", headers=bearer).status_code == 200
    moved = client.get("/%2Fevil.example/x?token=right&find=a")
    assert (moved.status_code, moved.headers["location"]) == (303, "/evil.example/x?find=a")
    entered = client.get("/?token=right")
    assert entered.headers["location"] == "/"
    kept = entered.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=Strict" in kept
    assert client.get("/").status_code == 200
    # Cookies of a host are those of all its ports: another server there has one of its own.
    assert kept.startswith("equipoise_token_7860=")


def test_bodies_are_bounded(client: Any) -> None:
    long = b'{"target": "' + b"x" * 70_000 + b'"}'
    headers = {"content-type": "application/json"}
    assert client.post(f"{RUN}/plan", content=long, headers=headers).status_code == 413
    parts = iter([long[:40_000], long[40_000:]])
    chunked = client.post(f"{RUN}/plan", content=parts, headers=headers)
    assert chunked.status_code == 413
    lied = client.post(f"{RUN}/plan", content=b"{}", headers={**headers, "content-length": "-1"})
    assert lied.status_code == 413


def test_read_only_writes_nothing(open_client: Any, runs: Path) -> None:
    client = open_client(read_only=True)
    before = sorted(runs.rglob("*"))
    body = {"target": "uniform", "n": 4}
    assert client.post(f"{RUN}/draws", json=body).status_code == 403
    assert client.post("/samplers/faces/a/draw", json=body).status_code == 403
    assert client.post(f"{RUN}/plan", json={"target": "uniform"}).status_code == 200
    assert "read-only" in client.get("/steer/faces/a").text
    assert sorted(runs.rglob("*")) == before


def test_models_of_ones_own_are_not_opened_unless_trusted(
    open_client: Any, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run folder may name any module; opening it would run its code."""
    from dataclasses import replace

    from equipoise.samplers.file import load_sampler, save_sampler

    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = runs / "faces/a/sampler.safetensors"
    sampler = load_sampler(path)
    save_sampler(replace(sampler, settings={**sampler.settings, "generator": "hostile:make"}), path)
    body = {"target": "uniform", "n": 2}
    refused = open_client().post(f"{RUN}/draws", json=body)
    assert "must come with Equipoise" in refused.json()["detail"]
    assert not (tmp_path / "ran").exists()
    open_client(trusted=("hostile:make",)).post(f"{RUN}/draws", json=body)
    assert (tmp_path / "ran").exists()


def test_nothing_is_written_through_a_link(client: Any, runs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (runs / "faces/a/drawn").symlink_to(outside)
    refused = client.post(f"{RUN}/draws", json={"target": "uniform", "n": 2})
    assert "must have no link that leads out" in refused.json()["detail"]
    assert list(outside.iterdir()) == []


def test_names_are_text(client: Any, runs: Path) -> None:
    hostile = "<script>alert(1)<"
    shutil.copytree(runs / "faces/a", runs / hostile)
    record = runs / hostile / "record.json"
    text = record.read_text().replace('"skin_tone"', '"<b>skin<b>"')
    record.write_text(text)
    card = runs / hostile / "card.json"
    card.write_text(card.read_text().replace('"skin_tone"', '"<b>skin<b>"'))
    for path in ("/", "/runs/%3Cscript%3Ealert(1)%3C", "/compare?run=%3Cscript%3Ealert(1)%3C"):
        page = client.get(path)
        assert "<script>alert" not in page.text
        assert "<b>skin" not in page.text
        assert "&lt;script&gt;" in page.text, path


def test_every_answer_has_a_strict_policy_and_pages_have_no_inline_script(client: Any) -> None:
    pages = ("/", "/runs/faces/a", "/steer/faces/a", "/compare?run=faces/a", "/api/runs", "/no")
    for path in pages:
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in answer.text
        assert " onclick=" not in answer.text
        assert "http://" not in answer.text.replace("http://www.w3.org", "").replace(
            "http://purl.org", ""
        ).replace("http://creativecommons.org", "")


def test_damaged_records_are_shown_as_such(client: Any, runs: Path) -> None:
    broken = runs / "broken"
    broken.mkdir()
    (broken / "record.json").write_text('{"results": 3}')
    listed = {run["name"]: run for run in client.get("/api/runs").json()["runs"]}
    assert listed["broken"]["title"] == "damaged"
    page = client.get("/runs/broken")
    assert (page.status_code, "must be" in page.text) == (200, True)


def test_the_server_is_made_for_folders_alone(tmp_path: Path) -> None:
    from equipoise.core.errors import InputError

    with pytest.raises(InputError, match="must be there"):
        make_app(tmp_path / "none")


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.update(results=[]),
        lambda record: record["settings"].update(seed=10**400),
        lambda record: record["results"][0]["confusion"]["counts"][0].__setitem__(0, -1),
        lambda record: record["results"][0]["representation"].update(kl=10**400),
        lambda record: record["prior"]["cells"].pop(),
    ],
)
def test_a_damaged_record_is_named_on_every_page(
    client: Any, runs: Path, damage: Callable[[dict[str, Any]], None]
) -> None:
    path = runs / "faces/a/record.json"
    record = json.loads(path.read_text())
    damage(record)
    path.write_text(json.dumps(record))
    assert client.get("/").status_code == 200
    for page in ("/runs/faces/a", "/compare?run=faces/a", "/steer/faces/a", RUN):
        assert client.get(page).status_code < 500, page
    planned = client.post(f"{RUN}/plan", json={"target": "uniform"})
    assert planned.status_code == 409
    assert "record.json" in planned.json()["detail"]


@pytest.mark.parametrize("name", ["record.json", "sampler.safetensors", "card.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    client: Any, runs: Path, name: str
) -> None:
    (runs / "faces/a" / name).unlink()
    os.mkfifo(runs / "faces/a" / name)
    assert client.get("/").status_code == 200
    assert client.post(f"{RUN}/plan", json={"target": "uniform"}).status_code in (200, 404, 409)

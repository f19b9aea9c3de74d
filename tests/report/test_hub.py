"""Pushes to a stand-in of the hub on this machine, which speaks the endpoints used."""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.errors import FileFormatError, InputError, RemoteError
from equipoise.report import hub
from equipoise.report.hub import plan_push, push
from equipoise.samplers.export import packing
from tests.builders.command_line import Done


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with the files of a run."""
    home = tmp_path / "run"
    (home / "pictures").mkdir(parents=True)
    (home / "labels").mkdir()
    for name in ("card.md", "card.json", "record.json", "settings.toml", "report.html"):
        (home / name).write_text(name)
    for name in ("sampler.safetensors", "pictures/prior.png", "labels/labels-00000.parquet"):
        (home / name).write_bytes(b"\0" + name.encode())
    return home


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the stand-in was given: the repository, and its files."""
    found: dict[str, Any] = {"files": {}}

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path == "/api/repos/create":
                found["repo"] = asked = json.loads(body)
                owner = asked.get("organization", "me")
                answer: dict[str, Any] = {"url": f"{address}/{owner}/{asked['name']}"}
            elif self.path == "/api/validate-yaml":
                answer = {"errors": [], "warnings": []}
            elif self.path.endswith("/preupload/main"):
                names = [one["path"] for one in json.loads(body)["files"]]
                answer = {
                    "files": [
                        {"path": name, "uploadMode": "regular", "shouldIgnore": False}
                        for name in names
                    ]
                }
            else:
                found["path"] = self.path
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        found["files"][line["value"]["path"]] = content
                answer = {"commitUrl": f"{address}/me/faces/commit/{'a' * 40}"}
                answer["commitOid"] = "a" * 40
            content = json.dumps(answer).encode()
            self.send_response(found.get("status", 200))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.mark.extras("huggingface_hub")
@pytest.mark.filterwarnings("ignore")  # The library's own.
def test_a_run_arrives_whole_and_private(run: Path, taken: dict[str, Any]) -> None:
    planned = plan_push(run, "hf://me/faces")
    assert push(planned).endswith("a" * 40)
    assert taken["path"] == "/api/models/me/faces/commit/main"
    assert taken["repo"]["name"] == "faces"
    assert taken["repo"].get("private") or taken["repo"].get("visibility") == "private"
    assert taken["files"] == {name: path.read_bytes() for name, path in planned.files.items()}
    assert taken["files"]["README.md"] == b"card.md"
    assert not any("labels" in name for name in taken["files"])
    taken["status"] = 403
    with pytest.raises(RemoteError, match=r"hf://me/faces must take the files, got .*403"):
        push(planned)


def test_an_export_goes_as_a_data_set_without_its_books(tmp_path: Path) -> None:
    for name in ("dataset.json", "README.md", "00000.tar", "00000.tar.done.json", ".draws.json"):
        (tmp_path / name).write_text(name)
    planned = plan_push(tmp_path, "hf://me/faces")
    assert planned.kind == "dataset"
    assert set(planned.files) == {"dataset.json", "README.md", "00000.tar"}


@pytest.mark.extras("huggingface_hub")
@pytest.mark.filterwarnings("ignore")  # The library's own.
def test_many_images_go_as_tars_with_their_rows(
    tmp_path: Path, taken: dict[str, Any], cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = "--generator toy-text --attributes smiling,skin_tone --n 960 --images 6 --verified"
    home = tmp_path / "jobs"
    cli("balance-contexts", *flags.split(), f"--out={home}")
    monkeypatch.setattr(hub, "MOST_FILES", 100)
    monkeypatch.setattr(packing, "SIZE", 90)
    done = cli("push", home, "hf://me/jobs", "--dry-run")
    assert "packed  images-00001.tar" in done.stdout
    assert "240 images of them in tars" in done.stdout
    push(plan_push(home, "hf://me/jobs"))
    tars = ("images-00000.tar", "images-00001.tar", "images-00002.tar")
    assert {*tars, "contexts.json"} < set(taken["files"])
    assert not any(name.startswith(("images/", "labels/")) for name in taken["files"])
    with (home / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for name in tars:
        with tarfile.open(fileobj=io.BytesIO(taken["files"][name])) as archive:
            members = {one.name: archive.extractfile(one) for one in archive}
        for member, content in members.items():
            if member.endswith(".json"):
                found.append(json.loads((content or io.BytesIO()).read()))
    names = [Path(row["file_name"]).name for row in rows]
    assert [row["file_name"] for row in found] == names
    assert [(row["seed"], row["calls"]) for row in found] == [
        (int(row["seed"]), float(row["calls"])) for row in rows
    ]
    page, about = (taken["files"][name].decode() for name in ("README.md", "croissant.json"))
    assert 'data_files: ["*.tar"]' in page
    assert json.loads(about)["distribution"][1]["includes"] == "*.tar"
    assert not list(home.glob(".push-*"))


def test_only_images_of_the_folder_are_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "faces"
    (home / "images").mkdir(parents=True)
    for k in range(3):
        (home / "images" / f"{k}.png").write_bytes(b"picture")
    monkeypatch.setattr(hub, "MOST_FILES", 2)

    def listed(*names: str) -> None:
        rows = "".join(f"{name},no,1.0,0.0\n" for name in names)
        head = "file_name,smiling,smiling.p.no,smiling.p.yes\n"
        (home / "metadata.csv").write_text(head + rows)

    own = [f"images/{k}.png" for k in range(3)]
    listed(*own)
    (home / ".push-old").mkdir()
    (home / ".push-old" / "images-00000.tar").write_bytes(b"left")
    (home / "tensorboard.json").write_text("{}")
    planned = plan_push(home, "hf://me/faces")
    assert [path.name for path in planned.packed] == ["0.png", "1.png", "2.png"]
    assert set(planned.files) == {"metadata.csv"}
    for names, words in (
        ((*own[:2], "/etc/hostname"), r"/etc/hostname is not there\s+images/2\.png is not listed"),
        ((*own[:2], "../secret.csv"), r"\.\./secret\.csv is not there"),
        (own[:2], r"images/2\.png is not listed"),
        ((*own, own[0]), "one twice"),
    ):
        listed(*names)
        with pytest.raises(FileFormatError, match=words):
            plan_push(home, "hf://me/faces")
    listed(*own)
    (home / "croissant.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"croissant\.json must be as Equipoise wrote it"):
        packing.pack_folder(home, tmp_path)


def test_a_dry_run_prints_what_would_go(run: Path, cli: Callable[..., Done]) -> None:
    done = cli("push", run, "hf://me/faces", "--dry-run")
    assert "model    me/faces, 7 files" in done.stdout
    assert "sampler.safetensors" in done.stdout and "labels" not in done.stdout


def test_what_breaks_a_rule_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="address must be hf://user/name, got me/faces"):
        plan_push(run, "me/faces")
    with pytest.raises(FileFormatError, match=r"must hold card\.md of a finished run"):
        plan_push(tmp_path, "hf://me/faces")
    (run / "sampler-shift.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="must be no link"):
        plan_push(run, "hf://me/faces")
    (run / "sampler-shift.safetensors").unlink()
    monkeypatch.setattr(hub, "MOST_FILES", 3)
    with pytest.raises(InputError, match="must have at most 3 files, got 7"):
        plan_push(run, "hf://me/faces")

"""Samplers from a stand-in of the hub on this machine, which speaks the endpoints used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from equipoise.core.errors import FileFormatError, RemoteError
from equipoise.samplers import file as sampler_file
from equipoise.samplers.file import load_sampler, save_sampler
from equipoise.samplers.sampler import Sampler
from tests.builders.command_line import Done

pytestmark = [
    pytest.mark.extras("huggingface_hub"),
    pytest.mark.filterwarnings("ignore"),  # The library's own.
]

REVISION = "b" * 40


@pytest.fixture
def hub(
    toy_sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Paths that were asked for; the repository me/faces has a sampler at one revision and main."""
    save_sampler(toy_sampler, tmp_path / "sampler.safetensors")
    content = (tmp_path / "sampler.safetensors").read_bytes()
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def _answer(self) -> bytes:
            asked.append(self.path)
            known = (
                f"/me/faces/resolve/{revision}/sampler.safetensors"
                for revision in ("main", "v1", REVISION)
            )
            there = self.path in known
            self.send_response(200 if there else 404)
            body = content if there else b""
            self.send_header("Content-Length", str(len(body)))
            if there:
                self.send_header("ETag", '"' + "c" * 64 + '"')
                self.send_header("X-Repo-Commit", REVISION)
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return body

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self.wfile.write(self._answer())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield asked
    server.shutdown()
    server.server_close()


def test_a_sampler_comes_from_the_hub_by_revision_and_digest(
    hub: list[str], toy_sampler: Sampler, cli: Callable[..., Done]
) -> None:
    assert load_sampler("hf://me/faces").digest == toy_sampler.digest
    assert load_sampler("hf://me/faces@v1", digest=toy_sampler.digest[:12])
    assert any("/resolve/v1/" in path for path in hub)
    assert "target  16.67%" in cli("describe", "hf://me/faces@v1/sampler.safetensors").stdout
    with pytest.raises(FileFormatError, match=f"must have the digest {'0' * 64}"):
        load_sampler("hf://me/faces", digest="0" * 64)


def test_what_the_hub_does_not_have_is_named(
    hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RemoteError, match=r"hf://me/faces must have other\.safetensors at main"):
        load_sampler("hf://me/faces/other.safetensors")
    monkeypatch.setattr(sampler_file, "_LARGEST_FILE", 10)
    with pytest.raises(FileFormatError, match="must be under 10 bytes"):
        load_sampler("hf://me/faces")

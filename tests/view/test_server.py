from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from equipoise.compare.context_methods import METHODS
from equipoise.compare.contexts import ContextScore
from equipoise.compare.stored import StoredResults
from equipoise.contexts.record import ContextOptions
from equipoise.contexts.run import balance_contexts
from equipoise.core.estimates import Estimate
from equipoise.core.settings import Settings
from equipoise.view.guard import is_loopback
from equipoise.view.server import ViewOptions, serve


def started(host: str, **options: Any) -> str:
    """Start and stop a server, and return the address that it announces."""
    said: list[str] = []
    folder = options.pop("folder")
    with mock.patch("uvicorn.Server.run") as run:
        serve(folder, host, 0, ViewOptions(**options), said.append, browser=False)
    assert run.call_args.kwargs["sockets"][0].close() is None
    return said[0]


def test_any_address_but_loopback_has_a_token(tmp_path: Path) -> None:
    assert "token" not in started("127.0.0.1", folder=tmp_path)
    open_to_all = started("0.0.0.0", folder=tmp_path, api_only=True)
    assert open_to_all.startswith("http://127.0.0.1:")
    assert len(open_to_all.partition("?token=")[2]) >= 32
    assert started("127.0.0.1", folder=tmp_path, token="mine").endswith("?token=mine")


def test_a_name_that_looks_like_loopback_is_none() -> None:
    for host in ("127.0.0.1.example", "localhost.example", "", "10.0.0.1", "::"):
        assert not is_loopback(host)


def test_the_list_loads_nothing_that_fits_or_draws(tmp_path: Path) -> None:
    heavy = "torch", "scipy", "matplotlib", "pyarrow", "onnxruntime"
    code = f"""
import sys
from pathlib import Path
from equipoise.view.server import make_app
from equipoise.view.folder import Folder
from equipoise.view.pages import Pages
from equipoise.view.api_runs import listed
folder = Folder(Path({str(tmp_path)!r}))
make_app(folder.path)
assert "Nothing here" in Pages(folder).listed(listed(folder))
print([m for m in {heavy} if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_api_only_has_no_pages(open_client: Any) -> None:
    client = open_client(api_only=True)
    assert client.get("/").status_code == 404
    assert client.get("/api/runs").status_code == 200


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    from equipoise.core.errors import InputError
    from equipoise.view.server import _bind

    taken = _bind("127.0.0.1", 0)
    taken.listen()
    with pytest.raises(InputError, match="must be free"):
        _bind("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_ways_to_a_mix_within_contexts_are_shown(open_client: Any, runs: Path) -> None:
    folder = runs / "ways"
    stored = StoredResults(folder, tuple(METHODS), ContextScore)
    some = Estimate(0.25, 0.125, 0.5)
    row = ContextScore(
        n=9, contexts=3, meets=0, mean=some, floor=0.1, worst="<b>a nurse", worst_deviation=some,
        kl=0.1, kl_floor=0.01, labels=1234, calls=1.5, calls_with_labels=3.5, faithfulness=some,
    )  # fmt: skip
    with mock.patch.dict(vars(stored), methods=("edits alone",)):
        stored.fill("mine", lambda: lambda method: row)
    page = open_client().get("/runs/ways").text
    assert "<td>edits alone</td>" in page
    assert "0.25 (0.12 to 0.50)" in page
    assert "1,234" in page
    assert "Best of n keeps" in page


def test_balanced_contexts_have_a_page_with_their_pictures(open_client: Any, runs: Path) -> None:
    settings = Settings(generator="toy-text", attributes=("smiling", "skin_tone"), n=480)
    balance_contexts(settings, ContextOptions(images=6), runs / "jobs")
    client = open_client()
    (listed,) = [one for one in client.get("/api/runs").json()["runs"] if one["name"] == "jobs"]
    assert listed["kind"] == "contexts"
    assert listed["title"] == "smiling x skin_tone in 40 contexts of toy-text"
    assert "are undecided" in listed["words"]
    page = client.get("/runs/jobs").text
    assert "a photo of a nurse" in page
    assert "/api/runs/jobs/pictures/contexts.png" in page
    assert client.get("/api/runs/jobs/pictures/contexts.png").status_code == 200
    (runs / "jobs" / "contexts.json").write_text("{}")
    assert "must" in client.get("/runs/jobs").text

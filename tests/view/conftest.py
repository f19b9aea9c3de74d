"""A folder of runs of the toy, and clients of the server over it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.settings import Settings
from equipoise.pipeline import balance

# Not applicable where the extra view is not installed.
collect_ignore_glob = [] if find_spec("fastapi") else ["*"]

SETTINGS = Settings(
    generator="toy", method="shift-calibrated", n=2000, measure_n=600, components=1, distance=1.5
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder: Path = tmp_path_factory.mktemp("view") / "run"
    balance(SETTINGS, folder)
    return folder


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the run, in a folder in it."""
    folder = tmp_path / "runs"
    shutil.copytree(finished, folder / "faces" / "a")
    return folder


Client = Any


@pytest.fixture
def open_client(runs: Path) -> Iterator[Callable[..., Client]]:
    """Make a client of a server over `runs`, with options."""
    from fastapi.testclient import TestClient

    from equipoise.view.server import ViewOptions, make_app

    opened = []

    def make(**options: Any) -> Client:
        app = make_app(runs, ViewOptions(**options))
        client = TestClient(app, base_url="http://127.0.0.1:7860", follow_redirects=False)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client: Callable[..., Client]) -> Client:
    return open_client()

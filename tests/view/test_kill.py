"""A server that is killed loses no image that was drawn and no answer that was given."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from equipoise.view.rating import Rating
from tests.builders.processes import kill, start

_PATIENCE = 120.0

Call = Any


@contextmanager
def server(runs: Path) -> Iterator[Call]:
    """Start a server in a process, give what calls it, and kill it."""
    printed = runs.with_name("printed.txt")
    printed.unlink(missing_ok=True)
    process = start("view", runs, "--port", 0, "--no-browser", out=printed)
    try:
        while not (printed.exists() and "http://" in (said := printed.read_text())[:-1]):
            assert process.is_alive()
            time.sleep(0.02)
        origin = "http://" + said.split("http://")[1].split()[0].rstrip("/")

        def call(path: str, body: dict[str, Any] | None = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(origin + path, data, headers)
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                return json.load(answer)

        yield call
    finally:
        kill(process)


def until(call: Call, path: str, count: int) -> dict[str, Any]:
    """Return a draw's state once it has so many images."""
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE:
        state: dict[str, Any] = call(path)
        if state["count"] >= count:
            return state
        time.sleep(0.02)
    raise TimeoutError(f"{path} has {state['count']} images: {state['error']}")


def test_draws_and_answers_outlive_the_server(runs: Path) -> None:
    asked = {"target": "uniform", "n": 150, "seed": 5, "verified": True}
    with server(runs) as call:
        name = call("/api/runs/faces/a/draws", asked)["draw"]
        path = f"/api/runs/faces/a/draws/{name}"
        until(call, path, 20)
    drawn = len(list(runs.glob(f"**/{name}/images/*.png")))
    assert 20 <= drawn < 150
    with server(runs) as call:
        assert call("/api/runs/faces/a/draws", asked)["draw"] == name
        state = until(call, path, 150)
        assert len({image["index"] for image in state["images"]}) > 20
        task = call(f"{path}/task", {"per_answer": 2, "seed": 0})["task"]
        where = f"/api/tasks/{task}"
        question = call(f"{where}/question?rater=anna")
        for _ in range(3):
            answer = {"rater": "anna", "level": 0}
            answer |= {key: question[key] for key in ("image", "attribute")}
            question = call(f"{where}/answers", answer)
    kept = Rating(runs / task)
    assert kept.raters() == ["anna"]
    assert vars(kept.next("anna")) == question

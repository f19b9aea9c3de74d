"""Speed and memory of `equipoise view`, measured over HTTP against a running server.

    python benchmarks/view.py runs/demo        (about 3 minutes)
    python benchmarks/view.py                  (memory alone, over draws of a run of the toy)

The run is copied, so that its folder stays as it is. A run of 36 cells is made of the toy. Each of
the two commands writes its own part of the page, and leaves the other.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.classifiers import ClassifierPanel
from equipoise.classifiers.toy import ToyClassifier
from equipoise.core.files import write_text
from equipoise.core.settings import Settings
from equipoise.generators.toy import ToyGenerator
from equipoise.pipeline import balance

RESULTS = Path(__file__).parent / "results"
PEOPLE, LISTED = 8, 5000
_TOY = "## Memory over draws of a run of the toy"
COMMAND = "from equipoise.cli import main; main()"


class Server:
    """A server in a process of its own."""

    def __init__(self, runs: Path) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-c", COMMAND, "view", str(runs), "--port", "0", "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.place = self.process.stdout.readline().split()[1].split("/")[2]
        self.ask("GET", "/")
        self.started = time.perf_counter() - began

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """Return the body of an answer."""
        connection = http.client.HTTPConnection(self.place, timeout=120)
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"content-type": "application/json"})
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        assert answer.status < 300, (answer.status, found[:300])
        return found

    @property
    def memory(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def serving(runs: Path) -> Iterator[Server]:
    """Serve a folder."""
    server = Server(runs)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)


def timed(server: Server, method: str, path: str, body: Any = None) -> float:
    """Return the seconds of an answer."""
    began = time.perf_counter()
    server.ask(method, path, body)
    return time.perf_counter() - began


def draw(server: Server, name: str, **body: Any) -> tuple[float, float]:
    """Draw, and return the seconds from the request to the first image, and to the last."""
    began, first = time.perf_counter(), np.nan
    asked = {"target": "uniform", "n": 60, "verified": True, **body}
    found = json.loads(server.ask("POST", f"/api/runs/{name}/draws", asked))
    address = f"/api/runs/{name}/draws/{found['draw']}"
    while True:
        state = json.loads(server.ask("GET", f"{address}?since={asked['n']}"))
        if np.isnan(first) and state["count"]:
            server.ask("GET", f"{address}/images/0")
            first = time.perf_counter() - began
        if state["state"] not in ("waiting", "drawing"):
            assert state["state"] == "done", state
            return first, time.perf_counter() - began
        time.sleep(0.01)


def make_36(folder: Path) -> None:
    """Make a run of the toy with 36 cells."""
    shares = {
        "a": {f"a{k}": 1 / 6 for k in range(6)},
        "b": {f"b{k}": 1 / 3 for k in range(3)},
        "c": {"no": 0.5, "yes": 0.5},
    }
    toy = ToyGenerator(shares)
    panel = ClassifierPanel([ToyClassifier(toy)], list(shares))
    settings = Settings(method="shift-calibrated", n=6000, measure_n=3000, components=1)
    balance(settings, folder, generator=toy, panel=panel)


def steering(server: Server) -> list[float]:
    """Return the seconds of answers to moves of a slider, at 36 cells."""
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(60):
        shares = rng.integers(1, 100, 6)
        text = ",".join(f"a{k}:{share}" for k, share in enumerate(shares))
        body = {"target": f"marginals: a={text}"}
        seconds.append(timed(server, "POST", "/api/runs/cells36/plan", body))
    return seconds


def crowd(server: Server) -> tuple[list[float], list[float]]:
    """Return the seconds of eight people's draws, and of answers to others meanwhile."""
    others = []
    with ThreadPoolExecutor(PEOPLE) as people:
        drawing = [people.submit(draw, server, "run", seed=900 + i) for i in range(PEOPLE)]
        while not all(one.done() for one in drawing):
            others.append(timed(server, "GET", "/api/runs"))
            others.append(timed(server, "POST", "/api/runs/run/plan", {"target": "prior"}))
            time.sleep(0.05)
    return [one.result()[1] for one in drawing], others


def many(card: Path, folder: Path) -> None:
    """Make a folder of many runs."""
    for k in range(LISTED):
        place = folder / f"{k:05d}"
        place.mkdir(parents=True)
        shutil.copyfile(card, place / "card.json")
        (place / "record.json").touch()


Report = Callable[[str, str], None]


def memory_of(server: Server, name: str, draws: int, report: Report) -> None:
    """Draw again and again, and report the memory after a tenth of the draws and after all."""
    for i in range(draws):
        draw(server, name, seed=10_000 + i, n=4, verified=False)
        if i + 1 in (draws // 10, draws):
            report(f"memory after {i + 1:,} draws", f"{server.memory:.0f} MiB")


def on_toy(draws: int, report: Report) -> None:
    """Report the memory over draws of a run of the toy."""
    with tempfile.TemporaryDirectory() as place:
        toy = Settings(generator="toy", method="shift-calibrated", n=3000, measure_n=900)
        balance(toy, Path(place) / "toy")
        with serving(Path(place)) as server:
            draw(server, "toy", seed=1, n=4, verified=False)
            report("memory after the first draw", f"{server.memory:.0f} MiB")
            memory_of(server, "toy", draws, report)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="a finished run; memory on the toy alone")
    parser.add_argument("--draws", type=int, default=1000, help="draws for the memory")
    given = parser.parse_args()
    rows: list[tuple[str, str]] = []

    def report(what: str, value: str) -> None:
        rows.append((what, value))
        print(f"{what}: {value}", flush=True)

    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    if given.run is None:
        on_toy(given.draws, report)
    else:
        on_run(given.run, given.draws, report)
    load = f"{load} at the start, {os.getloadavg()[0]:.1f} at the end"
    command = f"`python benchmarks/view.py{' RUN' * (given.run is not None)} --draws {given.draws}`"
    lines = [
        f"Written by {command}, over HTTP. Load of the machine: {load}, shared with other work.",
        "",
        "| what | measured |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
        "",
    ]
    page = RESULTS / "view.md"
    of_run, _, of_toy = page.read_text(encoding="utf-8").partition(_TOY)
    if given.run is None:
        of_toy = "\n".join(["", "", *lines])
    else:
        of_run = "\n".join(["# Speed of the viewer", "", *lines, ""])
    write_text(page, of_run.rstrip("\n") + "\n\n" + _TOY + of_toy)


def on_run(run: Path, draws: int, report: Report) -> None:
    """Report speed and memory with a run, and with many."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        shutil.copytree(run, runs / "run")
        make_36(runs / "cells36")
        with serving(runs) as server:
            report("start to the first page", f"{server.started:.2f} s")
            server.ask("GET", "/steer/run")
            time.sleep(3)  # A person reads, and sets the sliders.
            first, last = draw(server, "run", seed=1)
            report("first picture after the first click", f"{first:.2f} s")
            report("60 verified images after it", f"{last:.2f} s")
            later = [draw(server, "run", seed=2 + i)[0] for i in range(5)]
            report("first picture later, median of 5", f"{np.median(later):.2f} s")
            moves = steering(server)
            report("a move at 36 cells, p95 of 60", f"{np.quantile(moves, 0.95) * 1000:.0f} ms")
            drawn, others = crowd(server)
            report(f"{PEOPLE} people, 60 verified images each, the last", f"{max(drawn):.1f} s")
            report("answers to others meanwhile, median", f"{np.median(others) * 1000:.0f} ms")
            report("answers to others meanwhile, p95", f"{np.quantile(others, 0.95) * 1000:.0f} ms")
            memory_of(server, "run", draws, report)
        many(run / "card.json", Path(place) / "many")
        with serving(Path(place) / "many") as server:
            report(f"start with {LISTED:,} runs, to the first list", f"{server.started:.2f} s")
            time.sleep(1.5)
            report(f"list of {LISTED:,} runs, later", f"{timed(server, 'GET', '/'):.2f} s")


if __name__ == "__main__":
    main()

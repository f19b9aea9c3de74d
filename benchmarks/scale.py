"""Cost of many shards: of the process that hands them out, of status, of waiting for many workers.

Coordinator: shards that cost nothing, on workers in the same process; what is left is the cost of
finding, handing out, waiting for and counting a shard, its completion record written and read
included, and the memory of it. A fifth of the shards is done before. Status: reading records.

Waiting: a stand-in generator that sleeps 50 ms an image, on 32 workers; with Ray where it is
installed. Efficiency: labels of the toy by two workers of each engine against two threads, start
of the workers excluded. Beside others: three processes at a time that make and label faces of the
pinned generator with ONNX Runtime and LiteRT, against the sum of their times alone.

    python benchmarks/scale.py                   (about 15 minutes on 2 cores)
    python benchmarks/scale.py --shards 20000    (a quick look)
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from equipoise.classifiers.models import ModelAddresses
from equipoise.core.completion import complete, read_completion
from equipoise.core.folders import LocalFolder
from equipoise.core.progress import Engine, Execution
from equipoise.core.settings import Settings
from equipoise.core.threads import worker_count
from equipoise.core.versions import versions
from equipoise.engines import OnExecutor, Processes, RayActors, ResumedTask, Shard, run
from equipoise.labelling.collect import collect
from equipoise.labelling.shards import SHARD_ROWS
from equipoise.runs.status import run_status

RESULTS = Path(__file__).parent / "results"
RAY = importlib.util.find_spec("ray") is not None


@dataclass(frozen=True)
class Sleeps:
    """Shards whose images take 50 ms each."""

    seconds: float = 0.05

    def open(self) -> Callable[[Shard], None]:
        """Return what does a shard."""
        return lambda shard: time.sleep(self.seconds * shard.rows)


class AtOnce:
    """Workers that are done at once, with a record."""

    count = 64

    def __init__(self, folder: LocalFolder, record: str) -> None:
        self._folder, self._record = folder, record
        self._under_way: deque[Shard] = deque()

    def start(self, task: object) -> AtOnce:
        """Return itself."""
        return self

    def submit(self, shard: Shard) -> None:
        """Do a shard."""
        write_record(self._folder, self._record, shard.number)
        self._under_way.append(shard)

    def wait(self) -> tuple[Shard, None]:
        """Return the oldest."""
        return self._under_way.popleft(), None

    def close(self) -> None:
        """Do nothing."""


def record_text(folder: LocalFolder, total: int) -> str:
    """Return the completion record of a file of one byte, of a task of so many, as a template."""
    complete(
        folder,
        "00000.tar",
        rows=1,
        total=total,
        size=1,
        sha256="0" * 64,
        identity="x" * 400,
        device="cpu",
        seconds=1.0,
    )
    return (folder.path / "00000.done.json").read_text()


def write_record(folder: LocalFolder, record: str, number: int) -> None:
    """Write a file of one byte with its completion record."""
    # By strings: each Path leaves its name in a table of Python's.
    name = f"{folder.path}/{number:05d}"
    with open(f"{name}.tar", "wb") as file:
        file.write(b"x")
    with open(f"{name}.done.json", "w") as text:
        text.write(record.replace("00000", f"{number:05d}"))


def hand_out(folder: LocalFolder, count: int) -> tuple[float, float]:
    """Return seconds a shard, and the peak of Python's memory in MB, of handing out shards.

    Memory is traced meanwhile, which makes it several times as slow.
    """
    record = record_text(folder, count)
    for number in range(count // 5):
        write_record(folder, record, number)

    def done_rows(shard: Shard) -> int:
        found = read_completion(folder, f"{shard.number:05d}.tar")
        return 0 if found is None else found.rows

    resumed = ResumedTask(
        folder, count, 1, lambda number: f"{number:05d}.tar", done_rows, lambda *_: None
    )
    tracemalloc.start()
    began = time.perf_counter()
    resumed.finish(run(AtOnce(folder, record), Sleeps(), resumed.missing()))
    taken = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert resumed.stored + resumed.computed == count
    return taken / count, peak


def wait_for_many(engine: Engine, images: int) -> float:
    """Return how many workers' speed the last quarter of the images shows; before, they start."""
    times: list[tuple[float, int]] = []
    for one in run(engine, Sleeps(), (Shard(i, 2 * i, 2 * i + 2) for i in range(images // 2))):
        times.append((time.perf_counter(), one.shard.rows))
    last = times[3 * len(times) // 4 :]
    rows = sum(rows for _, rows in last[1:])
    return rows * Sleeps().seconds / (last[-1][0] - last[0][0])


def label_speeds(shards: int) -> dict[str, float]:
    """Return labels a second of each engine, by the times of the completion records."""
    models = ModelAddresses.of(Settings(generator="toy")).open()
    with ThreadPoolExecutor(2) as executor:
        engines: dict[str, Engine | None] = {
            "threads": None,
            "processes": Processes(2),
            "executor of threads": OnExecutor(executor, 2),
        }
        if RAY:
            engines["ray"] = RayActors(2)
        found = {}
        for name, engine in engines.items():
            with tempfile.TemporaryDirectory() as folder:
                times: list[tuple[float, int]] = []

                def seen(
                    stage: str, done: int, total: int, times: list[tuple[float, int]] = times
                ) -> None:
                    times.append((time.perf_counter(), done))

                on = Execution(workers=2, progress=seen, engine=engine)
                collect(models, shards * SHARD_ROWS, 0, Path(folder), execution=on)
            # The first half holds the start of all workers.
            first = next(one for one in times if one[1] >= shards // 2 * SHARD_ROWS)
            last = next(one for one in times if one[1] == shards * SHARD_ROWS)
            found[name] = (last[1] - first[1]) / (last[0] - first[0])
    return found


def beside_others(shards: int) -> float:
    """Return the time of three runs side by side over the sum of their times alone."""

    def command(folder: str) -> list[str]:
        given = ["collect", "--n", str(shards * SHARD_ROWS), "--out", folder]
        code = (
            f"import sys; sys.argv = {['equipoise', *given]}; import equipoise.cli as c; c.main()"
        )
        return [sys.executable, "-c", code]

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        began = time.perf_counter()
        for number in range(3):
            subprocess.run(
                command(f"{folder}/{number}"), stdout=nowhere, stderr=nowhere, check=True
            )
        alone = time.perf_counter() - began
        began = time.perf_counter()
        started = [
            subprocess.Popen(command(f"{folder}/beside-{number}"), stdout=nowhere, stderr=nowhere)
            for number in range(3)
        ]
        assert not any(process.wait() for process in started)
        return (time.perf_counter() - began) / alone


def main() -> None:
    """Measure, print, and store as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=int, default=500_000, help="shards of the coordinator")
    parser.add_argument("--records", type=int, default=100_000, help="records of status")
    parser.add_argument("--images", type=int, default=40_000, help="images of Ray's 32 actors")
    parser.add_argument("--labels", type=int, default=64, help="shards of labels of the toy")
    parser.add_argument("--faces", type=int, default=8, help="shards of labels of faces")
    arguments = parser.parse_args()
    rows: dict[str, tuple[float, str]] = {}
    load = os.getloadavg()[1]

    def found(name: str, value: float, wanted: str = "") -> None:
        rows[name] = value, wanted
        print(f"{name}: {value:.3g} {wanted}", flush=True)

    for count in (arguments.shards // 50, arguments.shards):
        with tempfile.TemporaryDirectory() as name:
            each, peak = hand_out(LocalFolder(Path(name)), count)
        found(f"coordinator, {count:,} shards: ms a shard", each * 1e3, "under 5")
        found(f"coordinator, {count:,} shards: MB of Python at most", peak, "flat")
    with tempfile.TemporaryDirectory() as name:
        folder = LocalFolder(Path(name))
        record = record_text(folder, 2 * arguments.records)
        for number in range(arguments.records):
            write_record(folder, record, number)
        began = time.perf_counter()
        run_status(folder.path)
        took = time.perf_counter() - began
        found(f"status of {arguments.records:,} shards, seconds", took, "under 5")
    with ThreadPoolExecutor(32) as executor:
        many = wait_for_many(OnExecutor(executor, 64), 6400)
    found("32 threads that sleep 50 ms an image: as many as", many, "at least 28.8")
    if RAY:
        many = wait_for_many(RayActors(32), arguments.images)
        found("32 Ray actors that sleep 50 ms an image: as many as", many, "at least 28.8")
    speeds = label_speeds(arguments.labels)
    for name, speed in speeds.items():
        what = f"labels of the toy, 2 workers, {name}: speed to threads'"
        found(what, speed / speeds["threads"], "at least 0.9" if name == "ray" else "")
    ratio = beside_others(arguments.faces)
    found("three runs side by side: time to the sum of their times alone", ratio, "at most 1.2")
    cores = f"{worker_count(None)} cores, whose load was {load:.0f} when it began"
    lines = ["# Many shards", "", f"`python benchmarks/scale.py` on {cores}."]
    lines += ["", "| what | value | wanted |", "|---|---|---|"]
    lines += [f"| {name} | {value:.3g} | {wanted} |" for name, (value, wanted) in rows.items()]
    text = "\n".join([*lines, ""])
    print(text)
    (RESULTS / "scale.md").write_text(text)
    values = {name: value for name, (value, _) in rows.items()}
    record = json.dumps({"rows": values, "versions": versions()}, indent=1)
    (RESULTS / "scale.json").write_text(record + "\n")


if __name__ == "__main__":
    main()

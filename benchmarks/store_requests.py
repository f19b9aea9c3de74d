"""Requests and time of `balance` in a store: what directed rounds and all else ask of S3.

The toy is balanced in a local folder and in a bucket of a moto server on this machine, by threads
and by two processes. The server's own log is counted, by what a store bills alike: writes and
listings, and reads. Latency is none here; a store that answers in 30 ms adds that to each request
that is not beside another.

    python benchmarks/store_requests.py
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from equipoise.core.files import write_text
from equipoise.core.progress import Engine
from equipoise.core.settings import Settings
from equipoise.core.versions import versions_line
from equipoise.engines import Processes
from equipoise.pipeline import balance

PAGE = Path(__file__).parent / "results" / "store_requests.md"
SETTINGS = Settings(generator="toy", attributes=("smiling", "skin_tone"), n=10_000)
_REQUEST = re.compile(r'"(PUT|POST|DELETE|GET|HEAD) (\S+)')


@contextmanager
def moto(log: Path) -> Iterator[None]:
    """Run a server on this machine that fsspec takes for S3."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as file, subprocess.Popen(command, stderr=file, stdout=file) as server:
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.1)
            fsspec.filesystem("s3", use_listings_cache=False).mkdir("bench")
            yield
        finally:
            server.kill()


def kinds(log: str) -> Counter[str]:
    """Count the requests of a log by kind."""
    found: Counter[str] = Counter()
    for method, path in _REQUEST.findall(log):
        listing = method == "GET" and "list-type" in path
        found["listing" if listing else method] += 1
    return found


def main() -> None:
    """Measure, and write the page."""
    seconds: dict[str, float] = {}
    counts: dict[str, Counter[str]] = {}
    engines: dict[str, Engine | None] = {"threads": None, "two processes": Processes(2)}
    with tempfile.TemporaryDirectory() as name, moto(Path(name) / "log"):
        log = Path(name) / "log"
        for number, (engine, places) in enumerate(engines.items()):
            for where in (f"{name}/run-{number}", f"s3://bench/run-{number}"):
                read, began = log.stat().st_size, time.perf_counter()
                balance(SETTINGS, where, engine=places)
                row = f"{'S3' if where.startswith('s3') else 'a local folder'}, {engine}"
                seconds[row] = time.perf_counter() - began
                counts[row] = kinds(log.read_text()[read:])
    columns = ("PUT", "POST", "DELETE", "listing", "GET", "HEAD")
    lines = [
        "# Requests of balance in a store",
        "",
        f"`python benchmarks/store_requests.py`: the toy, {SETTINGS.n:,} labels of which",
        f"{SETTINGS.directed_n:,} in directed rounds, and the draws that are measured; report,",
        "sampler and card are put whole at the end. moto on the same machine.",
        "",
        f"| where, engine | seconds | {' | '.join(columns)} |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for row, took in seconds.items():
        cells = " | ".join(str(counts[row][column]) for column in columns)
        lines.append(f"| {row} | {took:.0f} | {cells} |")
    write_text(PAGE, "\n".join([*lines, "", versions_line(), ""]))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()

"""A Node server of one's own, installed once and run for as long as it is needed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO

from filelock import FileLock

from equipoise.core.errors import FetchError, MissingProgramError, RemoteError
from equipoise.core.files import write_text
from equipoise.runtimes import zoo

_OLDEST = 18
_START = 60.0
_LOCKED = ("package.json", "package-lock.json")


@contextmanager
def node_server(folder: Path) -> Iterator[str]:
    """Run the server of a folder on a free port of this machine; gives "http://127.0.0.1:PORT".

    Parameters
    ----------
    folder : Path
        With package.json, package-lock.json and server.mjs, such as examples/face-api. The server
        prints "listening on PORT" and answers GET /health.

    Raises
    ------
    MissingProgramError
        When Node 18 or later, or npm, is missing.
    FetchError
        When npm cannot install what the lock names.
    RemoteError
        When the server does not start.
    """
    node = _node()
    place = install(folder)
    # A script finds packages beside itself; its name has the version.
    script = (folder / "server.mjs").read_text(encoding="utf-8")
    name = f"server-{hashlib.sha256(script.encode()).hexdigest()[:12]}.mjs"
    write_text(place / name, script)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [node, name, "--port", "0", "--until-stdin-ends"],
            cwd=place,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield _origin(process, errors)
        finally:
            _end(process)


def install(folder: Path) -> Path:
    """Return the cached folder of a lock's packages, installed when it is not there yet.

    Raises
    ------
    MissingProgramError
        When npm is missing.
    FetchError
        When npm cannot install what the lock names.
    """
    contents = {name: (folder / name).read_bytes() for name in _LOCKED}
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()
    place = zoo.cache_folder() / "node" / f"{folder.name}-{digest[:12]}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not place.is_dir():
            with tempfile.TemporaryDirectory(prefix=".install-", dir=place.parent) as temporary:
                part = Path(temporary) / "part"
                part.mkdir()
                for name, content in contents.items():
                    (part / name).write_bytes(content)
                _npm_ci(part)
                part.rename(place)
    return place


def _node() -> str:
    node = shutil.which("node")
    found = "none"
    if node is not None:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        found = done.stdout.strip()
        version = re.match(r"v(\d+)\.", found)
        if version and int(version[1]) >= _OLDEST:
            return node
    raise MissingProgramError("Node 18+", "must be installed", found, "Install Node 18 or later.")


def _npm_ci(place: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingProgramError("npm", "must be installed", "none", "Install npm beside Node.")
    # Scripts of packages are foreign code, and none of these needs one.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise FetchError(
            f"packages of {json.loads((place / 'package.json').read_text())['name']}",
            "must be reachable for npm",
            lines[0].strip() if lines else f"exit code {done.returncode}",
            "Check the network and npm's settings.",
        )


def _origin(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Wait for the line with the port, then for /health."""
    until = time.monotonic() + _START
    assert process.stdout is not None
    lines: Queue[bytes] = Queue()
    # Its output is read to the end, so that a full pipe never holds the server up.
    Thread(target=deque, args=(map(lines.put, process.stdout), 0), daemon=True).start()
    while time.monotonic() < until and process.poll() is None:
        try:
            found = re.match(rb"listening on (\d+)", lines.get(timeout=0.1))
        except Empty:
            continue
        if found:
            origin = f"http://127.0.0.1:{int(found[1])}"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                opener.open(f"{origin}/health", timeout=_START).close()
                return origin
            except (urllib.error.URLError, TimeoutError) as error:
                raise _failed(str(error)) from error
    errors.seek(0)
    said = [line for line in errors.read(2**16).decode("utf-8", "replace").splitlines() if line]
    raise _failed(said[-1] if said else f"silence for {_START:g} s")


def _failed(got: str) -> RemoteError:
    return RemoteError(
        "Node server", "must start", got, "Run `node server.mjs` in its folder to see why."
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()

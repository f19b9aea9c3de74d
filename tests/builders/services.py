"""A faulty service on this machine, and descriptions of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.classifiers.remote import Description, make_description

SECRET = 's3cret/quite"odd+key'


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that reached the service."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes


def face(level: int, sure: float = 0.9) -> Reply:
    return Reply(body={"faces": [{"gender": ("female", "male")[level], "p": sure}]})


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Images whose first byte names them."""
    made = np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8), np.uint8)
    made[:, 0, 0, 0] = np.arange(count)
    return made


class Service:
    """Answers what `reply` says to the n-th request about a body."""

    def __init__(self, reply: Callable[[int, bytes], Reply]) -> None:
        self.reply = reply
        self.asked: list[Asked] = []
        self._seen: dict[bytes, int] = {}
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with service._lock:
                    asked = Asked(time.monotonic(), self.path, dict(self.headers), body)
                    service.asked.append(asked)
                    key = body[-4000:]
                    times = service._seen.get(key, 0)
                    service._seen[key] = times + 1
                reply = service.reply(times, body)
                time.sleep(reply.delay)
                content = reply.body if isinstance(reply.body, bytes) else b""
                if not isinstance(reply.body, bytes):
                    content = json.dumps(reply.body).encode()
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    for i in range(len(content) if reply.drip else 0):
                        self.wfile.write(content[i : i + 1])
                        time.sleep(0.05)
                    if not reply.drip:
                        self.wfile.write(content)
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            # A client that hangs up is part of the tests.
            def handle_error(self, *args: object) -> None:
                pass

            def process_request(self, request: Any, client_address: Any) -> None:
                service._connections.append(request)
                super().process_request(request, client_address)

        Server.daemon_threads = True
        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._connections.clear()


@contextmanager
def serving(reply: Callable[[int, bytes], Reply]) -> Iterator[Service]:
    service = Service(reply)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def values(port: int = 9, **changes: Any) -> dict[str, Any]:
    """Values of a description's file; a change to a table is merged into it."""
    base: dict[str, Any] = {
        "name": "faulty",
        "request": {
            "url": f"http://127.0.0.1:{port}/ask",
            "upload": "raw",
            "headers": {"X-Key": {"env": "TEST_KEY", "prefix": "Bearer "}},
        },
        "limits": {"concurrency": 4, "time_out": 2, "retries": 4, "back_off": 0.01},
        "no_face": {"path": "faces", "is": "empty"},
        "attribute": [
            {
                "name": "gender",
                "levels": ["female", "male"],
                "label": "faces[0].gender",
                "confidence": "faces[0].p",
            }
        ],
    }
    for name, change in changes.items():
        merged = isinstance(change, dict) and isinstance(base.get(name), dict)
        base[name] = base[name] | change if merged else change
    return base


def description(port: int = 9, **changes: Any) -> Description:
    return make_description(values(port, **changes))

"""Servers on this machine: what stands in for a store answers HTTP requests from memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fsspec

from equipoise.core import folders


class MemoryStore(BaseHTTPRequestHandler):
    """Files by their whole names."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def log_message(self, *args: object) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, content: bytes) -> None:
        """Answer with a file, or the range of it that is asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            content = content[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
        self.respond(content, 206 if asked else 200)

    def answer(self, value: Any, status: int = 200, **headers: str) -> None:
        self.respond(json.dumps(value).encode(), status, **headers)

    def respond(self, content: bytes, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Say nothing where a client hangs up."""


@contextmanager
def memory_store(kind: type[MemoryStore], protocol: str) -> Iterator[str]:
    """Serve an empty store, and give its address, which fsspec's new objects must use."""
    handler = type("Handler", (kind,), {"files": {}})
    fsspec.get_filesystem_class(protocol).clear_instance_cache()
    folders._filesystem.cache_clear()
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            fsspec.get_filesystem_class(protocol).clear_instance_cache()
            folders._filesystem.cache_clear()

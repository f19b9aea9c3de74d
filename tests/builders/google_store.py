"""As much of Google's storage as gcsfs asks for."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.builders.memory_store import MemoryStore


class GoogleStore(MemoryStore):
    """Files are named BUCKET/OBJECT."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        found = re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)(?:/o(?:/(.+))?)?", url.path)
        assert found, self.path
        bucket, name = found[1], unquote(found[2] or "")
        if not url.path.endswith("/o") and not name:
            self.answer({"name": bucket, "kind": "storage#bucket"})
        elif not name:
            self.answer(self.listed(bucket, query.get("prefix", "")))
        elif (content := self.files.get(f"{bucket}/{name}")) is None:
            self.answer({"error": {"code": 404, "message": "No such object"}}, 404)
        elif query.get("alt") == "media" or url.path.startswith("/download"):
            self.send(content)
        else:
            self.answer(self.described(f"{bucket}/{name}"))

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", url.path)
        assert found, self.path
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if query["uploadType"] == "resumable":
            host = self.headers["Host"]
            self.answer({}, Location=f"http://{host}{url.path}?uploadType=part&{url.query}")
            return
        name, content = query.get("name", ""), body
        if query["uploadType"] == "multipart":
            mark = re.search(r'boundary="?([^";]+)"?', self.headers["Content-Type"])
            assert mark
            _, about, part, _ = body.split(b"--" + mark[1].encode())
            name = json.loads(about.partition(b"\n\n")[2])["name"]
            content = part.partition(b"\n\n")[2].removesuffix(b"\n")
        self.files[f"{found[1]}/{name}"] = content
        self.answer(self.described(f"{found[1]}/{name}"))

    def do_DELETE(self) -> None:
        found = re.fullmatch(r"/storage/v1/b/([^/]+)/o/(.+)", urlsplit(self.path).path)
        assert found, self.path
        gone = self.files.pop(f"{found[1]}/{unquote(found[2])}", None)
        self.respond(b"", 404 if gone is None else 204)

    def described(self, key: str) -> dict[str, Any]:
        bucket, _, name = key.partition("/")
        size = str(len(self.files[key]))
        return {"kind": "storage#object", "bucket": bucket, "name": name, "size": size}

    def listed(self, bucket: str, prefix: str) -> dict[str, Any]:
        keys = [key for key in sorted(self.files) if key.startswith(f"{bucket}/{prefix}")]
        rest = {key: key.removeprefix(f"{bucket}/{prefix}") for key in keys}
        folders = {f"{prefix}{name.partition('/')[0]}/" for name in rest.values() if "/" in name}
        items = [self.described(key) for key, name in rest.items() if "/" not in name]
        return {"items": items, "prefixes": sorted(folders)}

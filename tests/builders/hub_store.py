"""As much of a hub of data sets as huggingface_hub asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.builders.memory_store import MemoryStore

_NO_ENTRY = {"X_Error_Code": "EntryNotFound"}


class HubStore(MemoryStore):
    """Files of the one data set, by their paths in it."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        name = path.partition("/main/")[2]
        if re.fullmatch(r"/api/datasets/[^/]+/[^/]+(/revision/main)?", path):
            self.answer({"id": "somebody/faces", "sha": "0" * 40})
        elif "/tree/main" in path:
            found = self.listed(name)
            self.answer(found) if found else self.answer({}, 404, **_NO_ENTRY)
        elif (content := self.files.get(name)) is None:
            self.answer({}, 404, **_NO_ENTRY)
        else:
            self.send(content)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self.body()
        if path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            files = [{"path": file["path"], "uploadMode": "regular"} for file in asked]
            self.answer({"files": [file | {"shouldIgnore": False} for file in files]})
        elif path.endswith("/paths-info/main"):
            names = json.loads(body)["paths"]
            self.answer([self.described(name) for name in names if name in self.files])
        else:
            assert path.endswith("/commit/main"), path
            changes = [json.loads(line) for line in body.splitlines()]
            gone = [c["value"]["path"] for c in changes if c["key"] == "deletedFile"]
            if not set(gone) <= self.files.keys():
                self.answer({}, 404, **_NO_ENTRY)
                return
            for name in gone:
                del self.files[name]
            for value in (c["value"] for c in changes if c["key"] == "file"):
                self.files[value["path"]] = base64.b64decode(value["content"])
            url = f"http://{self.headers['Host']}/datasets/somebody/faces/commit/{'0' * 40}"
            self.answer({"commitUrl": url, "commitOid": "0" * 40})

    def described(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        oid = hashlib.sha1(content).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def listed(self, folder: str) -> list[dict[str, Any]]:
        start = f"{folder}/" if folder else ""
        rest = {name: name.removeprefix(start) for name in self.files if name.startswith(start)}
        inner = {f"{start}{own.partition('/')[0]}" for own in rest.values() if "/" in own}
        folders = [{"type": "directory", "path": name, "oid": "0" * 40} for name in sorted(inner)]
        return folders + [self.described(name) for name, own in rest.items() if "/" not in own]

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.errors import InputError
from equipoise.view.bundle import write_bundle


def test_pages_open_from_disk_and_name_only_files_beside_them(
    runs: Path, tmp_path: Path, cli: Any
) -> None:
    out = tmp_path / "out"
    cli("view", str(runs), "--bundle", str(out), "--run", "faces/a")
    pages = [out / "index.html", out / "runs/faces~a.html"]
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "<script" not in html
        assert "hx-" not in html
        assert " ago" not in html
        for named in re.findall(r'(?:href|src)="(?!data:)([^"#]+)"', html):
            assert (page.parent / named.replace("%7E", "~")).is_file(), named
    assert sum(path.stat().st_size for path in out.rglob("*")) < 5_000_000


def test_only_what_is_there_goes_into_an_empty_folder(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be of a run"):
        write_bundle(runs, tmp_path / "out", ["other"])
    with pytest.raises(InputError, match="must be empty"):
        write_bundle(runs, runs)

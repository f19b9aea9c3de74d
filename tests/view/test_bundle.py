from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.errors import InputError
from equipoise.view.bundle import embed, write_bundle
from equipoise.view.server import ViewOptions


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
    with pytest.raises(InputError, match="must be in the folder, as run"):
        write_bundle(runs, tmp_path / "out", ["other"])
    with pytest.raises(InputError, match="must be empty"):
        write_bundle(runs, runs)


def test_pages_beside_a_run_show_its_own_pictures(runs: Path, tmp_path: Path, cli: Any) -> None:
    run = runs / "faces/a"
    for _ in range(2):
        cli("view", str(run), "--embed")
    html = (run / "view/index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    named = set(re.findall(r'(?:href|src)="(?!data:)([^"#]+)"', html))
    assert {"index.html", "style.css", "view.css"} < named
    assert any(name.startswith("../pictures/") for name in named)
    for name in named:
        assert (run / "view" / name).is_file(), name
    assert sorted(path.name for path in (run / "view").iterdir()) == [
        "index.html",
        "style.css",
        "view.css",
    ]


def test_pages_are_not_written_through_a_link(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (runs / "faces/a/view").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="must have no link that leads out"):
        embed(runs)
    assert not any((tmp_path / "other").iterdir())


def test_the_space_is_read_only_and_never_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}

    def serve(path: Path, host: str, port: int, options: ViewOptions, *_: Any, **more: Any) -> None:
        served.update(path=path, host=host, port=port, options=options, **more)

    monkeypatch.setattr("equipoise.view.server.serve", serve)
    monkeypatch.setenv("SPACE_HOST", "me-faces.hf.space")
    monkeypatch.setenv("EQUIPOISE_TOKEN", "secret")
    app = Path(__file__).parents[2] / "examples/space/app.py"
    runpy.run_path(str(app), run_name="__main__")
    options = served["options"]
    assert (served["host"], served["port"], served["browser"]) == ("0.0.0.0", 7860, False)
    assert (options.read_only, options.token) == (True, "secret")
    assert options.hosts == ("me-faces.hf.space",)
    assert served["path"] == app.parent / "runs"

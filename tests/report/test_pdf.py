"""Reports as PDF, by a browser where there is one, and by stand-ins that fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from equipoise.core.errors import MissingProgramError, StorageError
from equipoise.report import pdf
from equipoise.report.pdf import find_browser, installed_browser, write_pdf


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "audit & report.html"
    path.write_text(
        "<!doctype html><title>x</title><h1>Audit</h1><img src='http://example.com/a.png'>"
    )
    return path


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that does what a script says."""
    program = folder / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_a_page_is_printed_beside_itself_without_a_network(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
for argument in "$@"; do
  echo "$argument" >> "$(dirname "$0")/arguments"
  case "$argument" in --print-to-pdf=*) printf '%%PDF-1.4' > "${argument#--print-to-pdf=}";; esac
done"""
    stand_in(tmp_path, script, monkeypatch)
    assert write_pdf(page) == page.with_suffix(".pdf")
    assert page.with_suffix(".pdf").read_bytes() == b"%PDF-1.4"
    given = (tmp_path / "bin" / "arguments").read_text().splitlines()
    assert "--headless" in given
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in given
    assert given[-1].startswith("file:///")
    assert given[-1].endswith("audit%20%26%20report.html")
    assert ("--no-sandbox" in given) == (os.geteuid() == 0)


@pytest.mark.skipif(installed_browser() is None, reason="no browser")
def test_a_browser_prints_it(page: Path) -> None:
    found = write_pdf(page).read_bytes()
    assert found.startswith(b"%PDF-")
    assert len(found) > 1000
    assert sorted(path.suffix for path in page.parent.iterdir()) == [".html", ".pdf"]


def test_a_browser_that_fails_leaves_no_file(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "echo 'cannot open display' >&2; exit 4", monkeypatch)
    with pytest.raises(StorageError, match=r"status 4, cannot open display\. Open .* print it"):
        write_pdf(page)
    assert not page.with_suffix(".pdf").exists()


def test_a_browser_that_hangs_is_stopped(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(pdf, "_SECONDS", 0.2)
    with pytest.raises(StorageError, match=r"nothing within 0\.2 s"):
        write_pdf(page)


def test_without_a_browser_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(pdf, "_ELSEWHERE", "/nowhere/chrome")
    with pytest.raises(MissingProgramError, match="must be installed to print a PDF"):
        find_browser()

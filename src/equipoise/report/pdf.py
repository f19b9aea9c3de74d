"""A report as PDF: the HTML file, printed by a Chromium or Chrome of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from equipoise.core.errors import MissingProgramError, StorageError
from equipoise.core.files import atomic_path

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ELSEWHERE = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_SECONDS = 120
_SHOWN = 300


def installed_browser() -> str | None:
    """Return the path of a Chromium or Chrome, or None where none is installed."""
    return next(filter(None, map(shutil.which, (*_BROWSERS, _ELSEWHERE))), None)


def find_browser() -> str:
    """Return the path of a browser that prints.

    Raises
    ------
    MissingProgramError
        When none of them is installed.
    """
    if found := installed_browser():
        return found
    raise MissingProgramError(
        "browser",
        "must be installed to print a PDF, as Chromium or Chrome",
        f"none of {', '.join(_BROWSERS)}",
        "Install one, or leave --pdf out and print the HTML file yourself.",
    )


def write_pdf(page: Path) -> Path:
    """Print an HTML file to a PDF file beside it, and return its path.

    The browser is headless, has an empty profile of its own, and resolves no name of a host.

    Parameters
    ----------
    page : Path
        A report of ours.

    Raises
    ------
    MissingProgramError
        When no browser is installed.
    StorageError
        When the browser fails, or writes no PDF within two minutes.
    """
    browser, out = find_browser(), page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile, atomic_path(out) as part:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--disable-extensions",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={part.resolve()}",
            page.resolve().as_uri(),
        ]
        if os.geteuid() == 0:  # As root, Chromium starts only without its sandbox.
            command.insert(1, "--no-sandbox")
        try:
            run = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
            reason = f"status {run.returncode}, {run.stderr[-_SHOWN:].decode(errors='replace')}"
        except subprocess.TimeoutExpired:
            reason = f"nothing within {_SECONDS} s"
        if not part.is_file() or part.read_bytes()[:5] != b"%PDF-":
            raise StorageError(
                f"PDF {out}",
                f"must be printed by {browser}",
                " ".join(reason.split()),
                f"Open {page} in a browser and print it.",
            )
    return out
